/** A fault that somebody could make in the code, and the tests that are to find it. */
export interface Mutant {
  /** The fault in the changed code. */
  readonly name: string;
  readonly file: string;
  /** A text that the file has exactly once, and its replacement. */
  readonly text: string;
  readonly instead: string;
  /** Files of tests that take seconds, one of which has to fail. */
  readonly tests: readonly string[];
  /** Runs only the tests whose names contain this text, when the others take long. */
  readonly only?: string;
  /** The tests compile the file themselves: no addon is made of it. */
  readonly isProgram?: true;
}

/** True when the addon has to be built anew. */
export const needsAddon = ({ file, isProgram }: Mutant): boolean => file.startsWith('native/') && !isProgram;

/** The file with the fault. @throws Error where the text is not there exactly once */
export function mutated({ name, text, instead, file }: Mutant, source: string): string {
  const parts = source.split(text);
  if (parts.length !== 2)
    throw new Error(`the mutant '${name}' looks for a text that ${file} has ${parts.length - 1} times`);
  return parts.join(instead);
}
