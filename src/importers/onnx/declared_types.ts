/** The types that a graph declares for its values: those of inputs are taken, those of results are checked. */
import { fail, type Location } from '../../diagnostics/index.ts';
import type { Dim, TensorType } from '../../ir/types.ts';
import { formatType } from '../../ir/types.ts';
import { type OnnxGraph, type OnnxType, onnxTypeName } from './container/index.ts';

const opaque: TensorType = { dtype: 'opaque', shape: [] };

export class DeclaredTypes {
  readonly #types: ReadonlyMap<string, OnnxType>;
  readonly #outputs: ReadonlySet<string>;
  readonly #symbols = new Map<string, string>();

  constructor({ inputs, outputs, valueInfos }: OnnxGraph) {
    const infos = [...valueInfos, ...outputs, ...inputs];
    this.#types = new Map(infos.flatMap(({ name, type }) => (type ? [[name, type] as const] : [])));
    this.#outputs = new Set(outputs.map(({ name }) => name));
  }

  /** The declared type; `opaque[]` where the element type or the rank is not known or not computed with. */
  of(name: string): TensorType {
    const type = this.#types.get(name);
    if (type?.kind !== 'tensor' || type.dtype === undefined || type.dims === undefined) return opaque;
    return { dtype: type.dtype, shape: type.dims.map((dim, axis) => this.#dim(dim, name, axis)) };
  }

  /** What is declared, in words. */
  describe(name: string): string {
    const type = this.#types.get(name);
    if (type === undefined) return 'no type is declared';
    if (type.kind !== 'tensor') return `a ${type.kind}`;
    return type.dtype === undefined ? `the element type ${onnxTypeName(type.onnxType)}` : 'no rank is declared';
  }

  /**
   * Refuses a result that contradicts what the model declares. Sizes are only held against the outputs of the graph:
   * other declarations are hints, which tools forget to update when they change a batch size.
   */
  check(name: string, actual: TensorType, loc: Location): void {
    const declared = this.#types.get(name);
    if (declared?.kind !== 'tensor' || declared.onnxType === 0) return;
    const { dtype, dims, onnxType } = declared;
    if (dtype !== actual.dtype) {
      const wanted = onnxTypeName(onnxType);
      fail('U2006', `'${name}' is declared as ${wanted}, but the operator makes ${formatType(actual)}`, loc);
    }
    if (dims === undefined || !this.#outputs.has(name)) return;
    const fits = (dim: Dim | undefined, size: Dim) =>
      typeof dim !== 'number' || typeof size !== 'number' || dim === size;
    if (dims.length === actual.shape.length && dims.every((dim, axis) => fits(dim, actual.shape[axis]))) return;
    const shown = dims.map((dim) => dim ?? '?').join(',');
    fail('U2005', `the output '${name}' is declared with shape [${shown}], but is ${formatType(actual)}`, loc);
  }

  /** Symbols are identifiers: expressions are made of them. Unknown sizes get a symbol of their own. */
  #dim(dim: Dim | undefined, name: string, axis: number): Dim {
    if (typeof dim === 'number') return dim;
    const key = dim ?? `${name}_${axis}`;
    const known = this.#symbols.get(dim === undefined ? `?${key}` : key);
    if (known !== undefined) return known;
    const base = key.replace(/\W/g, '_').replace(/^(?=\d)/, '_');
    const taken = new Set(this.#symbols.values());
    let symbol = base;
    for (let n = 1; taken.has(symbol); n++) symbol = `${base}_${n}`;
    this.#symbols.set(dim === undefined ? `?${key}` : key, symbol);
    return symbol;
  }
}
