/** The position of the reader: the file as a whole, and the path to the current message. */
import { type Diagnostic, fail, type Location } from '../../diagnostics/index.ts';
import type { ExternalReader } from './external_data.ts';
import { printable } from './printable.ts';

export const MAX_OBJECTS = 2_000_000;
/** The number of warnings to keep for one file. */
const MAX_WARNINGS = 100;

/** The state that all messages of one file share. */
export class Source {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly file: string | undefined;
  readonly readExternal: ExternalReader | undefined;
  /** Objects that may still be created: bounds the memory that a small file can ask for. */
  private budget = MAX_OBJECTS;
  /** Departures from the standard that were read nevertheless. */
  readonly warnings: Diagnostic[] = [];

  constructor(bytes: Uint8Array, file: string | undefined, readExternal: ExternalReader | undefined) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.file = file;
    this.readExternal = readExternal;
  }

  /** Accounts for one more object. */
  spend(): void {
    if (--this.budget < 0) {
      const location = this.file === undefined ? {} : { file: this.file };
      fail('U1006', `the model has more than ${MAX_OBJECTS} nodes, attributes, tensors and names`, location);
    }
  }
}

/** A message on its way down from the model; its location is put into words only when an error needs it. */
export class Context {
  readonly source: Source;
  readonly parent: Context | undefined;
  /** Graphs around this message. */
  readonly depth: number;
  readonly node: string | undefined;
  readonly op: string | undefined;
  readonly input: string | undefined;

  private constructor(
    source: Source,
    parent: Context | undefined,
    depth: number,
    node?: string,
    op?: string,
    input?: string,
  ) {
    this.source = source;
    this.parent = parent;
    this.depth = depth;
    this.node = node;
    this.op = op;
    this.input = input;
  }

  static of(source: Source): Context {
    return new Context(source, undefined, 0);
  }
  inGraph(): Context {
    return new Context(this.source, this, this.depth + 1);
  }
  inNode(node: string, op?: string): Context {
    return new Context(this.source, this, this.depth, node, op);
  }
  /** An attribute, tensor or value. */
  inPart(input: string): Context {
    return new Context(this.source, this, this.depth, undefined, undefined, input);
  }

  /** Nodes from the outermost in; operator and part of the innermost one that names any. */
  get location(): Location {
    const nodes: string[] = [];
    let op: string | undefined;
    let input: string | undefined;
    for (let context: Context | undefined = this; context !== undefined; context = context.parent) {
      if (nodes.length === 0) {
        op ??= context.op;
        input ??= context.input;
      }
      if (context.node !== undefined) nodes.unshift(printable(context.node));
    }
    const { file } = this.source;
    return {
      ...(file !== undefined && { file }),
      ...(nodes.length > 0 && { node: nodes.join(' › ') }),
      ...(op !== undefined && { op: printable(op) }),
      ...(input !== undefined && { input: printable(input) }),
    };
  }
}

/** Fails with U1004, the offset of the offending bytes in the message. */
export function invalid(context: Context, what: string, { at }: { readonly at: number }, hint?: string): never {
  fail('U1004', `${what} (at byte ${at})`, context.location, hint);
}

/** Says that something departs from the standard and is read nevertheless (U2010). */
export function warn(context: Context, message: string): void {
  const { warnings } = context.source;
  const { location } = context;
  const said = { code: 'U2010', severity: 'warning', location } as const;
  if (warnings.length < MAX_WARNINGS) warnings.push({ ...said, message });
  else if (warnings.length === MAX_WARNINGS)
    warnings.push({ ...said, message: 'from here on there are more warnings' });
}
