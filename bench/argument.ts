/** The value of `--name=value` on the command line; undefined where it is not given. */
export const argument = (name: string): string | undefined =>
  process.argv.find((given) => given.startsWith(`--${name}=`))?.slice(name.length + 3);
