# Makes the addon of what was linked: the same file with a last line that says which sources it was built from and what its
# checksum is. src/runtime/addon_seal.ts reads the line before the addon is loaded. Loaders of shared libraries pass over it.
#   cmake -DROOT=… -DLINKED=… -DADDON=… -P native/seal.cmake
file(GLOB_RECURSE sources RELATIVE ${ROOT} ${ROOT}/native/*.cc ${ROOT}/native/*.h)
list(FILTER sources EXCLUDE REGEX "^native/test/")
list(APPEND sources CMakeLists.txt)
list(SORT sources)
set(digests "")
foreach(source IN LISTS sources)
  file(SHA256 ${ROOT}/${source} digest)
  string(APPEND digests "${digest}  ${source}\n")
endforeach()
string(SHA256 sources_digest "${digests}")

# Under its name it is there whole or not at all.
set(part ${ADDON}.part)
file(REMOVE_RECURSE ${part})
get_filename_component(folder ${ADDON} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
configure_file(${LINKED} ${part} COPYONLY)
file(APPEND ${part} "\nunskew addon, sources ${sources_digest}")
file(SHA256 ${part} checksum)
file(APPEND ${part} ", checksum ${checksum}\n")
file(RENAME ${part} ${ADDON})
