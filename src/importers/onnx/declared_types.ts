/** The declared types of a graph's values: the types of inputs are used, the types of results are checked. */
import { type Diagnostic, fail, type Location } from '../../diagnostics/index.ts';
import { type OnnxGraph, type OnnxType, onnxTypeName } from '../../formats/onnx/index.ts';
import { type Dim, formatType, type Graph, type Shape, type TensorType } from '../../ir/index.ts';
import type { Parts } from './shared_sizes.ts';
import type { PartialType } from './type_rules.ts';

/** Shapes of inputs by name. */
export type InputShapes = Readonly<Record<string, Shape>>;

const opaque: TensorType = { dtype: 'opaque', shape: [] };

export class DeclaredTypes {
  readonly #types: ReadonlyMap<string, OnnxType>;
  readonly #interface: ReadonlySet<string>;
  readonly #symbols = new Map<string, string>();
  readonly #parts: Parts | undefined;
  #isAmbiguous = false;
  readonly #taken = new Set<string>();
  /** Sizes by names, and by symbols of axes without one; undefined where inputs have several. */
  readonly #bound = new Map<string, number | undefined>();
  /** Shapes of inputs. */
  readonly #given = new Map<string, Shape>();
  /** Warnings on declared sizes that differ from the computed ones. */
  readonly warnings: Diagnostic[] = [];
  /** The file's names of symbols that have others. */
  readonly #names = new Map<string, string>();

  /**
   * @param inputShapes shapes of inputs by name; a size that is text leaves the dimension open
   * @param parts of which each has sizes of its own, where names of sizes are those of several
   * @throws UnskewError U4002 when they do not fit the inputs
   */
  constructor(graph: OnnxGraph, inputShapes: InputShapes = {}, where = {}, parts?: Parts) {
    const { inputs, outputs, valueInfos, initializers } = graph;
    const infos = [...valueInfos, ...outputs, ...inputs];
    this.#types = new Map(infos.flatMap(({ name, type }) => (type ? [[name, type] as const] : [])));
    this.#interface = new Set([...inputs, ...outputs].map(({ name }) => name));
    this.#parts = parts;
    const free = new Set(inputs.map(({ name }) => name).filter((name) => !initializers.has(name)));
    for (const [name, shape] of Object.entries(inputShapes)) {
      if (!free.has(name)) fail('U4002', `inputShapes: the model has no input '${name}'`, where);
      this.#bind(name, shape, { ...where, input: name });
    }
  }

  #bind(name: string, shape: Shape, where: Location): void {
    const refuse = (why: string): never => fail('U4002', `inputShapes: ${why}`, where);
    const wrong = shape.find((dim) => typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0));
    if (wrong !== undefined) refuse(`'${wrong}' is not a legal size for '${name}'`);
    this.#given.set(name, shape);
    const type = this.#types.get(name);
    if (type?.kind !== 'tensor' || type.dims === undefined) return;
    if (type.dims.length !== shape.length) refuse(`'${name}' has rank ${type.dims.length}, not ${shape.length}`);
    type.dims.forEach((declared, axis) => {
      const size = shape[axis];
      if (typeof size === 'string') return;
      if (typeof declared === 'number') {
        if (declared !== size) refuse(`axis ${axis} of '${name}' is ${declared}, not ${size}`);
        return;
      }
      const key = keyOf(declared, name, axis);
      const isOne = !this.#bound.has(key) || this.#bound.get(key) === size;
      this.#bound.set(key, isOne ? size : undefined);
    });
  }

  /** The declared type; `opaque[]` where the element type or the rank is not known or not computed with. */
  of(name: string): TensorType {
    const type = this.#types.get(name);
    if (type?.kind !== 'tensor' || type.dtype === undefined) return opaque;
    const given = this.#given.get(name);
    const dims = type.dims ?? given;
    const sizeAt = (axis: number) => (typeof given?.[axis] === 'number' ? given[axis] : undefined);
    return dims === undefined
      ? opaque
      : { dtype: type.dtype, shape: dims.map((dim, axis) => sizeAt(axis) ?? this.#dim(dim, name, axis)) };
  }

  /** The symbols of each name that several parts have; undefined where a result has such a name, which may be that of either. */
  get parted(): readonly (readonly string[])[] | undefined {
    const named = [...(this.#parts?.ofName ?? [])].map(([dim, parts]) =>
      [...parts].flatMap((part) => this.#symbols.get(`${part}=${dim}`) ?? []),
    );
    return this.#isAmbiguous ? undefined : named;
  }

  /**
   * The type of a result that nobody computes: the operator's rule decides, then the declaration; sizes that neither
   * knows are new symbols. `opaque[]` when neither knows the element type or the rank.
   */
  complete(name: string, { dtype: follows, dims: sizes }: PartialType): TensorType {
    const type = this.#types.get(name);
    const declared = type?.kind === 'tensor' ? type : undefined;
    const dtype = declared && declared.onnxType !== 0 ? declared.dtype : follows;
    const dims = sizes ?? declared?.dims;
    if (dtype === undefined || dims === undefined || (type !== undefined && declared === undefined)) return opaque;
    const hints = declared?.dims?.length === dims.length ? declared.dims : [];
    const given = (dim: Dim | undefined) =>
      typeof dim === 'number' && !(Number.isSafeInteger(dim) && dim >= 0) ? undefined : dim;
    return { dtype, shape: dims.map((dim, axis) => (sizes && given(dim)) ?? this.#dim(hints[axis], name, axis)) };
  }

  /** The names of symbols in the file, where they are not identifiers, of those that the values have. */
  namesIn(values: Graph['values']): Pick<Graph, 'symbols'> {
    if (this.#names.size === 0) return {};
    const open = new Set(Object.values(values).flatMap(({ type }) => type.shape));
    const named = [...this.#names].filter(([symbol]) => open.has(symbol));
    return named.length === 0 ? {} : { symbols: Object.fromEntries(named.map(([symbol, name]) => [symbol, { name }])) };
  }

  /** The declaration in words. */
  describe(name: string): string {
    const type = this.#types.get(name);
    if (type === undefined) return 'no type is declared';
    if (type.kind !== 'tensor') return `a ${type.kind}`;
    return type.dtype === undefined ? `the element type ${onnxTypeName(type.onnxType)}` : 'no rank is declared';
  }

  /**
   * Refuses a result, or an input with a default, with another element type than the declared one. Declared sizes are
   * hints, which tools forget to update when they change a batch size; wrong ones of inputs and outputs give a warning.
   */
  check(name: string, actual: TensorType, loc: Location): void {
    const declared = this.#types.get(name);
    if (declared?.kind !== 'tensor' || declared.onnxType === 0) return;
    const { dtype, dims, onnxType } = declared;
    if (dtype !== actual.dtype) {
      const wanted = onnxTypeName(onnxType);
      fail('U2006', `'${name}' is declared as ${wanted}, but is ${formatType(actual)}`, loc);
    }
    if (dims === undefined || !this.#interface.has(name)) return;
    const fits = (dim: Dim | undefined, size: Dim) =>
      typeof dim !== 'number' || typeof size !== 'number' || dim === size;
    if (dims.length === actual.shape.length && dims.every((dim, axis) => fits(dim, actual.shape[axis]))) return;
    const shown = dims.map((dim) => dim ?? '?').join(',');
    const message = `'${name}' is declared with shape [${shown}], and is ${formatType(actual)}`;
    this.warnings.push({ code: 'U2010', severity: 'warning', message, location: loc });
  }

  #dim(dim: Dim | undefined, name: string, axis: number): Dim {
    if (typeof dim === 'number') return dim;
    return this.#bound.get(keyOf(dim, name, axis)) ?? this.#symbol(dim, name, axis);
  }

  /** Symbols are identifiers: expressions are made of them. Unknown sizes get a symbol of their own. */
  #symbol(dim: string | undefined, name: string, axis: number): string {
    const part = this.#parts?.ofInput.get(name);
    const isParted = dim !== undefined && this.#parts?.ofName.has(dim);
    if (isParted && part === undefined) this.#isAmbiguous = true;
    const key = isParted ? `${part}${keyOf(dim, name, axis)}` : keyOf(dim, name, axis);
    const known = this.#symbols.get(key);
    if (known !== undefined) return known;
    const base = (dim ?? `${name}_${axis}`).replace(/\W/g, '_').replace(/^(?=\d)/, '_');
    let symbol = base;
    for (let n = 1; this.#taken.has(symbol); n++) symbol = `${base}_${n}`;
    this.#taken.add(symbol);
    this.#symbols.set(key, symbol);
    if (dim !== undefined && dim !== symbol) this.#names.set(symbol, dim);
    return symbol;
  }
}

const keyOf = (dim: Dim | undefined, name: string, axis: number): string =>
  dim === undefined ? `?${name}_${axis}` : `=${dim}`;
