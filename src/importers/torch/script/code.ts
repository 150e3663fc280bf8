/** The source files of an archive: parsed when something of them is needed. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import type { Archive } from '../../../formats/torch/index.ts';
import type { ClassCode, FunctionCode, SourceFile } from './ast.ts';
import { ClassObject } from './objects.ts';
import { parseSource } from './parser.ts';

/** The place of code, for messages. */
export interface CodePlace {
  /** The entry of the archive. */
  readonly path: string;
}

export interface FoundClass extends CodePlace {
  readonly code: ClassCode;
  readonly name: string;
}
export interface FoundFunction extends CodePlace {
  readonly code: FunctionCode;
}

/** The largest number of characters in a source file. */
const LONGEST_SOURCE = 2 ** 24;

export class CodeBase {
  readonly #archive: Archive;
  readonly #files = new Map<string, SourceFile | undefined>();
  readonly #classes = new Map<string, FoundClass | undefined>();

  constructor(archive: Archive) {
    this.#archive = archive;
  }

  /** The class of a qualified name, `__torch__.a.b.C`, undefined when the archive has none. */
  classOf(name: string): FoundClass | undefined {
    if (!this.#classes.has(name))
      this.#classes.set(
        name,
        this.#find(name, (file, short) => file.classes.get(short)),
      );
    return this.#classes.get(name);
  }

  /** `__torch__.C`, or `__torch__.C.__new__`, which makes an object without running its `__init__`. */
  classObject(name: string): ClassObject | undefined {
    const isAllocator = name.endsWith('.__new__');
    const className = isAllocator ? name.slice(0, -'.__new__'.length) : name;
    const found = this.classOf(className);
    return found && new ClassObject(className, found.code, isAllocator);
  }

  functionOf(name: string): FoundFunction | undefined {
    return this.#find(name, (file, short) => file.functions.get(short));
  }

  at(path: string, line: number): Location {
    return { ...(this.#archive.file !== undefined && { file: this.#archive.file }), node: `${path}:${line}` };
  }

  #find<C>(name: string, of: (file: SourceFile, short: string) => C | undefined) {
    const dot = name.lastIndexOf('.');
    const path = `code/${name.slice(0, dot).replaceAll('.', '/')}.py`;
    const file = this.#file(path);
    const code = file && of(file, name.slice(dot + 1));
    return code && { code, path, name };
  }

  #file(path: string): SourceFile | undefined {
    if (!this.#files.has(path)) {
      const refuse = (line: number, why: string) =>
        fail('U1004', `the code of the model cannot be parsed: ${why}`, this.at(path, line));
      let parsed: SourceFile | undefined;
      if (this.#archive.has(path)) {
        const text = this.#archive.text(path);
        if (text.length > LONGEST_SOURCE) fail('U1006', `a source file of ${text.length} characters`, this.at(path, 1));
        parsed = parseSource(text, refuse);
      }
      this.#files.set(path, parsed);
    }
    return this.#files.get(path);
  }
}
