/**
 * Writes the functions of a model out at their calls: names inside get a prefix, references to attributes of the
 * function become attributes of the call or their defaults. https://onnx.ai/onnx/repo-docs/IR.html#functions
 *
 * A function with another version of an operator set than the model's stays a call: its operators may have another
 * meaning there. A function with the name of an operator is ignored, as in ONNX Runtime.
 */
import { fail } from '../../diagnostics/index.ts';
import { Context, Source } from './context.ts';
import { canonicalDomain } from './graph.ts';
import { readMessage } from './message.ts';
import type { OnnxFile } from './model.ts';
import * as schema from './schema.ts';
import type { Range } from './wire.ts';
import { type Encoded, field, intField, replaced, textField } from './write.ts';

const model = schema.modelProto.fields;
const graph = schema.graphProto.fields;
const node = schema.nodeProto.fields;
const attribute = schema.attributeProto.fields;

/** The bytes of the model without calls, undefined where there is none. @throws UnskewError U2003 for a function that calls itself */
export function inlineFunctions(file: OnnxFile, isOperator: IsOperator = () => false): Uint8Array | undefined {
  return file.functions.length === 0 ? undefined : new Inliner(file, isOperator).run();
}

type IsOperator = (domain: string, name: string) => boolean;

interface FunctionParts {
  readonly key: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Range[];
  readonly valueInfos: readonly Range[];
  readonly defaults: ReadonlyMap<string, Encoded>;
  /** Operator sets that the model does not import; undefined where it imports another version. */
  readonly more: ReadonlyMap<string, number> | undefined;
}

interface Names {
  of(name: string): string;
  /** The prefix of the names of nodes. */
  readonly prefix: string;
  /** Attributes of the call, without their names. */
  readonly attributes: ReadonlyMap<string, Encoded>;
}

class Inliner {
  readonly #file: OnnxFile;
  readonly #context: Context;
  readonly #functions = new Map<string, Range>();
  readonly #read = new Map<string, FunctionParts>();
  readonly #used = new Set<string>();
  readonly #opsets = new Map<string, number>();
  #inlined = 0;
  #left = false;

  constructor(file: OnnxFile, isOperator: IsOperator) {
    this.#file = file;
    this.#context = Context.of(new Source(file.bytes, file.file, undefined));
    for (const { domain, name, overload, range } of file.functions)
      if (!isOperator(domain, name)) this.#functions.set(keyOf(domain, name, overload), range);
    this.#collect(file.graph.range);
  }

  run(): Uint8Array | undefined {
    const whole = { at: 0, start: 0, end: this.#file.bytes.length };
    const names: Names = { of: (name) => name, prefix: '', attributes: new Map() };
    const pieces = replaced(this.#context, whole, (number, range) =>
      number === model.graph[0] ? field(number, this.#graph(range, names, [])) : undefined,
    );
    if (this.#inlined === 0) return undefined;
    const kept = this.#left ? pieces : this.#withoutFunctions(pieces);
    const opsets = [...this.#opsets].flatMap(([domain, version]) =>
      field(model.opsetImport[0], [...textField(1, domain), ...intField(2, version)]),
    );
    return concat([...kept, ...opsets]);
  }

  /** The pieces of the model are its fields, in their order. */
  #withoutFunctions(pieces: Encoded): Encoded {
    const functions = new Set(this.#file.functions.map(({ range }) => range.at));
    const base = this.#file.bytes.byteOffset;
    return pieces.filter(
      (piece) => piece.buffer !== this.#file.bytes.buffer || !functions.has(piece.byteOffset - base),
    );
  }

  /** Collects all names of a graph and its bodies: new names must differ from them. */
  #collect(range: Range): void {
    const { node: nodes, input, initializer } = readMessage(schema.graphProto, this.#context, range);
    for (const info of input) this.#used.add(readMessage(schema.valueInfoProto, this.#context, info).name);
    for (const tensor of initializer) this.#used.add(readMessage(schema.tensorProto, this.#context, tensor).name);
    for (const each of nodes) {
      const fields = readMessage(schema.nodeProto, this.#context, each);
      for (const name of fields.output) this.#used.add(name);
      for (const inner of fields.attribute) {
        const { g, graphs } = readMessage(schema.attributeProto, this.#context, inner);
        for (const body of g ? [g, ...graphs] : graphs) this.#collect(body);
      }
    }
  }

  #graph(range: Range, names: Names, stack: readonly string[]): Encoded {
    const infos: Uint8Array[] = [];
    const isMain = range === this.#file.graph.range || range.at === this.#file.graph.range.at;
    const pieces = replaced(this.#context, range, (number, inner) => {
      switch (number) {
        case graph.node[0]:
          return this.#node(inner, names, stack, isMain ? infos : undefined).flatMap((one) => field(number, one));
        case graph.initializer[0]:
          return this.#renamed(number, inner, schema.tensorProto.fields.name[0], names);
        case graph.input[0]:
        case graph.output[0]:
        case graph.valueInfo[0]:
        case graph.quantizationAnnotation[0]:
          return this.#renamed(number, inner, 1, names);
        case graph.sparseInitializer[0]:
          return field(
            number,
            replaced(this.#context, inner, (part, values) =>
              part === 1 ? this.#renamed(part, values, schema.tensorProto.fields.name[0], names) : undefined,
            ),
          );
      }
    });
    return [...pieces, ...infos];
  }

  /** A message with another name. */
  #renamed(number: number, range: Range, nameField: number, names: Names): Encoded {
    if (names.prefix === '') return [this.#context.source.bytes.subarray(range.at, range.end)];
    return field(
      number,
      replaced(this.#context, range, (part, inner) =>
        part === nameField ? textField(part, names.of(this.#text(inner))) : undefined,
      ),
    );
  }

  #text({ start, end }: Range): string {
    return decoder.decode(this.#context.source.bytes.subarray(start, end));
  }

  /** The node, or the nodes of the function that it calls. */
  #node(range: Range, names: Names, stack: readonly string[], infos: Uint8Array[] | undefined): readonly Encoded[] {
    this.#context.source.spend();
    const fields = readMessage(schema.nodeProto, this.#context, range);
    const key = keyOf(canonicalDomain(fields.domain), fields.opType, fields.overload);
    const called = this.#function(key);
    if (called?.more !== undefined) return this.#call(fields, called, names, stack, infos);
    if (called !== undefined) this.#left = true;
    return [
      replaced(this.#context, range, (number, inner) => {
        switch (number) {
          case node.input[0]:
          case node.output[0]:
            return textField(number, names.of(this.#text(inner)));
          case node.name[0]:
            // a prefix alone would be one name for all nodes without
            return inner.start === inner.end ? undefined : textField(number, names.prefix + this.#text(inner));
          case node.attribute[0]:
            return this.#attribute(inner, names, stack);
        }
      }),
    ];
  }

  #call(
    fields: ReturnType<typeof readMessage<(typeof schema.nodeProto)['fields']>>,
    called: FunctionParts,
    outer: Names,
    stack: readonly string[],
    infos: Uint8Array[] | undefined,
  ): readonly Encoded[] {
    const name = fields.name || fields.output.find((output) => output !== '') || fields.opType;
    if (stack.includes(called.key) || stack.length >= DEEPEST)
      fail('U2003', `the function ${fields.opType} calls itself`, {
        ...this.#context.location,
        node: name,
        op: fields.opType,
      });
    this.#inlined++;
    for (const [domain, version] of called.more ?? []) this.#opsets.set(domain, version);
    const attributes = new Map(called.defaults);
    for (const given of fields.attribute) {
      const encoded = this.#attribute(given, outer, stack);
      const key = readMessage(schema.attributeProto, this.#context, given).name;
      if (encoded.length > 0) attributes.set(key, this.#bare(given, outer, stack));
    }
    const prefix = `${outer.prefix}${name}/`;
    const known = new Map<string, string>([['', '']]);
    for (const [i, formal] of called.inputs.entries()) known.set(formal, outer.of(fields.input[i] ?? ''));
    const identities: Encoded[] = [];
    called.outputs.forEach((formal, i) => {
      const actual = fields.output[i] ?? '';
      if (actual === '') return;
      // an output that is also an input, or another output, needs a second name
      const other = known.get(formal);
      if (other === undefined) known.set(formal, outer.of(actual));
      else identities.push([...textField(1, other), ...textField(2, outer.of(actual)), ...textField(4, 'Identity')]);
    });
    const names: Names = {
      prefix,
      attributes,
      of: (inner) => {
        const given = known.get(inner);
        if (given !== undefined) return given;
        let fresh = prefix + inner;
        for (let n = 1; this.#used.has(fresh); n++) fresh = `${prefix}${inner}.${n}`;
        this.#used.add(fresh);
        known.set(inner, fresh);
        return fresh;
      },
    };
    const deeper = [...stack, called.key];
    const nodes = called.nodes.flatMap((each) => this.#node(each, names, deeper, infos));
    const described = called.valueInfos.filter((info) => {
      const own = readMessage(schema.valueInfoProto, this.#context, info).name;
      return !called.inputs.includes(own) && !called.outputs.includes(own);
    });
    if (infos) for (const info of described) infos.push(...this.#renamed(graph.valueInfo[0], info, 1, names));
    return [...nodes, ...identities];
  }

  /** The attribute as a field of its node; nothing where it refers to one that the call leaves out. */
  #attribute(range: Range, names: Names, stack: readonly string[]): Encoded {
    const { name, refAttrName } = readMessage(schema.attributeProto, this.#context, range);
    const value = refAttrName === '' ? this.#bare(range, names, stack) : names.attributes.get(refAttrName);
    return value === undefined ? [] : field(node.attribute[0], [...textField(attribute.name[0], name), ...value]);
  }

  /** The fields of the attribute without its name; names in its graphs become the names at the call. */
  #bare(range: Range, names: Names, stack: readonly string[]): Encoded {
    const { refAttrName } = readMessage(schema.attributeProto, this.#context, range);
    if (refAttrName !== '') return names.attributes.get(refAttrName) ?? [];
    return replaced(this.#context, range, (number, inner) => {
      if (number === attribute.name[0]) return [];
      if (number === attribute.g[0] || number === attribute.graphs[0])
        return field(number, this.#graph(inner, names, stack));
    });
  }

  #function(key: string): FunctionParts | undefined {
    const range = this.#functions.get(key);
    if (range === undefined) return undefined;
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    const fields = readMessage(schema.functionProto, this.#context, range);
    const top: Names = { of: (name) => name, prefix: '', attributes: new Map() };
    const defaults = fields.attributeProto.map((each): [string, Encoded] => [
      readMessage(schema.attributeProto, this.#context, each).name,
      this.#bare(each, top, []),
    ]);
    const { input: inputs, output: outputs, node: nodes, valueInfo: valueInfos } = fields;
    const parts = {
      key,
      inputs,
      outputs,
      nodes,
      valueInfos,
      defaults: new Map(defaults),
      more: this.#moreOpsets(range),
    };
    this.#read.set(key, parts);
    return parts;
  }

  #moreOpsets(range: Range): ReadonlyMap<string, number> | undefined {
    const { opsetImport, node: nodes } = readMessage(schema.functionProto, this.#context, range);
    const used = new Set(
      nodes.map((each) => canonicalDomain(readMessage(schema.nodeProto, this.#context, each).domain)),
    );
    const more = new Map<string, number>();
    for (const each of opsetImport) {
      const fields = readMessage(schema.operatorSetProto, this.#context, each);
      const [domain, version] = [canonicalDomain(fields.domain), Number(fields.version ?? 0)];
      const own = this.#file.opsets.get(domain) ?? this.#opsets.get(domain);
      if (own === undefined) more.set(domain, version);
      else if (own !== version && used.has(domain)) return undefined;
    }
    return more;
  }
}

const DEEPEST = 64;
const decoder = new TextDecoder();
const keyOf = (domain: string, name: string, overload: string): string => `${domain}\0${name}\0${overload}`;

function concat(pieces: Encoded): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
