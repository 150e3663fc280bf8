/** The stack of calls of an interpreter, its bounds, and messages with the line of the code. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import { describe, GraphTensor, leafCount, type TorchValue } from '../values.ts';
import { truth } from './builtins.ts';
import type { CodeBase } from './code.ts';
import type { ModuleObject } from './objects.ts';

export interface Frame {
  readonly file: string;
  readonly variables: Map<string, TorchValue>;
  readonly self: ModuleObject | undefined;
}

/** The statement that left a block before its end. */
export type Ending = { readonly kind: 'return'; readonly value: TorchValue } | { readonly kind: 'break' | 'continue' };

/** Statements and expressions evaluated for one model, and how deep they may nest. */
const MOST_STEPS = 3_000_000;
const DEEPEST = 1200;
/** The largest number of list elements in the arguments of one operator. */
const MOST_LEAVES = 2_000_000;

export class Frames {
  protected readonly code: CodeBase;
  protected readonly frames: Frame[] = [];
  readonly #archive: Location;
  #steps = 0;
  #depth = 0;

  constructor(code: CodeBase, archive: Location) {
    this.code = code;
    this.#archive = archive;
  }

  protected get frame(): Frame {
    return this.frames[this.frames.length - 1];
  }

  protected at(line: number): Location {
    return this.code.at(this.frame.file, line);
  }

  protected step(line: number): void {
    if (++this.#steps > MOST_STEPS)
      fail('U1006', `the code has run ${MOST_STEPS} steps: it does not end, or is too large`, this.at(line));
  }

  protected nested<T>(where: Location | (() => Location), body: () => T): T {
    if (++this.#depth > DEEPEST)
      fail('U1006', 'the calls of the code nest too deeply', typeof where === 'function' ? where() : where);
    const result = body();
    this.#depth--;
    return result;
  }

  protected refuse(line: number, why: string, code: 'U1004' | 'U1006' | 'U2005' | 'U2008' = 'U1004'): never {
    return fail(code, why, this.frames.length > 0 ? this.at(line) : this.#archive);
  }

  /** Lists that share their elements can have more of them than could be visited. */
  protected boundLists(args: readonly TorchValue[], line: number): void {
    const isNested = args.some((value) => Array.isArray(value) || value instanceof Map);
    if (isNested && leafCount([...args]) > MOST_LEAVES)
      this.refuse(line, `lists of more than ${MOST_LEAVES} elements, counted as often as they occur`, 'U1006');
  }

  /** The truth of a condition; refused when only a run can tell. */
  protected decided(value: TorchValue, line: number): boolean {
    const known = truth(value);
    if (known !== undefined) return known;
    const isSize = !(value instanceof GraphTensor);
    return fail(
      'U2008',
      `the control flow depends on ${isSize ? 'the sizes of the inputs' : 'the data'}: ${describe(value)}`,
      this.at(line),
      isSize
        ? 'give the shapes of the inputs: inputShapes in the API, --shape on the command line'
        : 'only models whose operators do not change with the data can be imported',
    );
  }
}
