/** The first bytes of a compiled file, in front of its version: "UNSKEW", 0. */
export const COMPILED_NAME = [0x55, 0x4e, 0x53, 0x4b, 0x45, 0x57, 0] as const;

/** Looks at the name alone: the version is judged when the file is read. */
export const isCompiledFile = (bytes: Uint8Array): boolean => COMPILED_NAME.every((byte, i) => bytes[i] === byte);
