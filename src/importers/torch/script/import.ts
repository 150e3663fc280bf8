/** TorchScript archives (`torch.jit.save`, `_save_for_lite_interpreter`) into the IR. */
import { fail, type Location } from '../../../diagnostics/index.ts';
import type { Archive } from '../../../formats/torch/index.ts';
import {
  PickleObject,
  type PickleValue,
  scalarTypes,
  type TorchTensor,
  unpickleTorch,
} from '../../../formats/torch/index.ts';
import type { AnyValue, Dim, Graph, Origin, Shape, Unsupport, Value, ValueId } from '../../../ir/index.ts';
import type { StateOption } from '../../kit/state_option.ts';
import { type AssumedProfile, assumedProfile, ProfileEvidence, profileNote } from '../operators/assumed_profile.ts';
import { PositionsFound, ShapeFound } from '../operators/context.ts';
import type { TorchProfile } from '../operators/engine.ts';
import { describe, GraphTensor, isTensor, leafCount, type TorchValue, UnknownTensor } from '../values.ts';
import type { Expression, Parameter } from './ast.ts';
import { CodeBase } from './code.ts';
import { GraphSink } from './graph_sink.ts';
import { HeldState, StateFound } from './held_state.ts';
import { Interpreter } from './interpreter.ts';
import { refuseDropped, stateOf } from './left_behind.ts';
import { Modules } from './modules.ts';
import { FunctionObject, fieldsOf, ModuleObject } from './objects.ts';
import { TensorOperators } from './tensor_operators.ts';

export interface ImportTorchOptions {
  /** Whose kernels quantized operators follow; the file does not say. Told from its layers unless given (U4003 says so). */
  readonly profile?: TorchProfile;
  /** Shapes of inputs by name; sizes may be symbols. A missing shape is inferred from the first layer, or asked for. */
  readonly inputShapes?: Readonly<Record<string, Shape>>;
  /**
   * The treatment of stored tensors that calls change: refused, or made inputs `h`, and outputs `h.next` of their new
   * values.
   */
  readonly state?: StateOption;
}

/** The record that the importer leaves. No exporter writes archives. */
export interface TorchOrigin extends Origin {
  readonly kind: 'torchscript';
  /** Absent where no layer depends on it. */
  readonly profile?: TorchProfile;
}

/** The names that `optimize_for_mobile` gives to weights that it packs. */
const HOISTED = /^_jit_pass_hoist_conv_packed_params/;
/** Quantized layers moved to `torch.ao` with PyTorch 1.13. */
const OLD_CODE = /^code\/__torch__\/torch\/nn\/(intrinsic\/)?quantized\//;
/** Each attempt finds the shape of one more input. */
const MOST_ATTEMPTS = 64;

/**
 * The graph of the method `forward`, at level `qnn`. Operators that are not understood become `opaque` ones.
 *
 * @throws UnskewError U1002 … U1006 for a bad archive, U2005 when the shape of an input has to be given, U2008 for
 * control flow that depends on data
 */
export function importTorchScript(archive: Archive, options: ImportTorchOptions = {}): Graph {
  return new Importer(archive, options).run();
}

class Importer {
  readonly #archive: Archive;
  readonly #given: TorchProfile | undefined;
  #assumed: AssumedProfile | undefined;
  #evidence = new ProfileEvidence();
  readonly #where: Location;
  readonly #code: CodeBase;
  readonly #root: PickleObject;
  readonly #constants: readonly TorchValue[];
  readonly #modules: Modules;
  readonly #shapes: Map<string, Shape>;
  /** Inputs that hold integers; inputs that are not read as positions hold floats. */
  readonly #positions = new Set<string>();
  readonly #inputs = new Map<ValueId, string>();
  readonly #held: HeldState;

  constructor(archive: Archive, { profile, inputShapes = {}, state = 'refuse' }: ImportTorchOptions) {
    this.#held = new HeldState(state);
    this.#archive = archive;
    this.#given = profile;
    this.#where = archive.file === undefined ? {} : { file: archive.file };
    this.#code = new CodeBase(archive);
    this.#modules = new Modules(this.#code);
    if (archive.has('byteorder') && archive.text('byteorder').trim() !== 'little')
      fail('U1002', 'the archive was written by a big-endian machine', archive.at('byteorder'));
    const root = this.#unpickle('data.pkl', 'data/');
    if (!(root instanceof PickleObject)) fail('U1004', 'the archive holds no module', archive.at('data.pkl'));
    this.#root = root;
    const constants = archive.has('constants.pkl') ? this.#unpickle('constants.pkl', 'constants/') : [];
    if (!Array.isArray(constants))
      fail('U1004', 'the constants of the archive are not a tuple', archive.at('constants.pkl'));
    this.#constants = constants;
    this.#shapes = new Map(Object.entries(inputShapes));
  }

  /** The profile is told by the layers, so that it may turn out to be another one than they were imported with. */
  run(): Graph {
    if (this.#given !== undefined) return this.#withShapes();
    this.#assumed = assumedProfile(this.#freshEvidence());
    const graph = this.#withShapes();
    const { profile } = this.#assumed;
    this.#assumed = assumedProfile(this.#evidence);
    if (this.#assumed.profile !== profile) return this.#withShapes();
    return { ...graph, origin: this.#origin(graph.origin?.unsupported ?? []) };
  }

  #withShapes(): Graph {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      try {
        return this.#attempt();
      } catch (error) {
        if (error instanceof ShapeFound) this.#learn(error);
        else if (error instanceof PositionsFound) this.#positions.add(this.#inputs.get(error.input) ?? '');
        else if (error instanceof StateFound) continue;
        else if (error instanceof RangeError && /call stack/.test(error.message))
          fail('U1006', 'the code of the model nests too deeply', this.#where);
        else throw error;
      }
    }
    return fail(
      'U2005',
      'the shapes of the inputs have to be given',
      this.#where,
      'inputShapes in the API, --shape on the command line',
    );
  }

  #unpickle(entry: string, folder: string): PickleValue {
    return unpickleTorch(this.#archive.bytes(entry), {
      where: this.#archive.at(entry),
      storage: (key) => this.#archive.bytes(folder + key),
    });
  }

  /** The shape of an input; or, without a name, that the batch is one. */
  #learn({ input, shape }: ShapeFound): void {
    if (input === '') {
      for (const [name, known] of this.#shapes)
        this.#shapes.set(
          name,
          known.map((dim) => (dim === 'N' ? 1 : dim)),
        );
      return;
    }
    const index = this.#shapes.size;
    const renamed = (dim: Dim): Dim => (typeof dim === 'string' && dim !== 'N' && index > 0 ? `${dim}${index}` : dim);
    this.#shapes.set(input, shape.map(renamed));
  }

  #attempt(): Graph {
    const sink = new GraphSink();
    const constants = new Map<TorchTensor, Value>();
    const file = this.#archive.file === undefined ? {} : { file: this.#archive.file };
    this.#evidence = this.#freshEvidence();
    const profile = this.#given ?? this.#assumed?.profile ?? 'torch-x86';
    const operators = new TensorOperators(sink, { profile, evidence: this.#evidence }, file, constants);
    const interpreter = new Interpreter(this.#code, this.#constants, operators, this.#modules, this.#where);
    const root = this.#modules.instance(this.#root, this.#where);
    if (!(root instanceof ModuleObject)) fail('U1004', 'the archive holds weights and no module', this.#where);
    root.path = '';
    const forward = interpreter.attribute(root, 'forward', () => this.#where);
    if (!(forward instanceof FunctionObject)) {
      fail('U2008', `the module ${root.className} has no method 'forward'`, this.#where);
    }
    const where = this.#code.at(forward.file, forward.code.line);
    const parameters = forward.code.parameters.slice(1).filter((parameter) => isInput(parameter, where));
    this.#checkNames(parameters.map(({ name }) => name));
    const inputs = new Map(parameters.map((parameter) => [parameter.name, this.#input(sink, parameter.name)]));
    this.#held.feed(sink, operators);
    const result = interpreter.call(forward, [], inputs, where);
    const outputs = [...outputsOf(result, operators, where), ...this.#held.outputs(interpreter.state, operators)];
    const graph = sink.finish('main', outputs, this.#origin(operators.unsupported));
    this.#held.find(stateOf(graph, interpreter.state, operators, constants), interpreter.state);
    refuseDropped(graph, operators.foreign);
    return graph;
  }

  #freshEvidence(): ProfileEvidence {
    const evidence = new ProfileEvidence();
    const { names } = this.#archive;
    const { state } = this.#root;
    const attributes = state instanceof Map ? [...state.keys()].map(String) : [];
    evidence.isMobile = this.#archive.has('bytecode.pkl') || attributes.some((name) => HOISTED.test(name));
    evidence.isOld = names.some((name) => OLD_CODE.test(name));
    return evidence;
  }

  #origin(unsupported: readonly Unsupport[]): TorchOrigin {
    const profile = this.#given ?? this.#assumed?.profile;
    if (profile === undefined || this.#evidence.isEmpty) return { kind: 'torchscript', unsupported };
    const notes = this.#assumed ? [profileNote(this.#assumed, this.#where)] : [];
    return { kind: 'torchscript', unsupported, profile, notes };
  }

  #checkNames(names: readonly string[]): void {
    for (const name of this.#shapes.keys()) {
      if (!names.includes(name))
        fail(
          'U4002',
          `inputShapes: the model has no input '${name}'`,
          this.#where,
          `its inputs are: ${names.join(', ')}`,
        );
    }
  }

  #input(sink: GraphSink, name: string): TorchValue {
    const shape = this.#shapes.get(name);
    if (shape === undefined) return new UnknownTensor(name);
    for (const dim of shape) {
      const isSize = typeof dim === 'number' ? Number.isSafeInteger(dim) && dim >= 0 : /^[A-Za-z_]\w*$/.test(dim);
      if (!isSize) fail('U4002', `inputShapes: '${dim}' is not a legal size for '${name}'`, this.#where);
    }
    const type = this.#positions.has(name) ? scalarTypes.int64 : scalarTypes.float32;
    const value = sink.input(name, { dtype: type.dtype, shape });
    this.#inputs.set(value.id, name);
    return new GraphTensor(value, type);
  }
}

/** True for tensors; other parameters must have a default. */
function isInput({ name, type, default: fallback }: Parameter, where: Location): boolean {
  if (fallback !== undefined) return false;
  if (isTensorType(type)) return true;
  return fail('U2008', `the input '${name}' is not a tensor: only tensors can be fed`, where);
}

function isTensorType(type: Expression | undefined): boolean {
  if (type === undefined) return true; // code without types means tensors
  if (type.kind === 'name') return type.name === 'Tensor';
  return (
    type.kind === 'subscript' &&
    type.object.kind === 'name' &&
    type.object.name === 'Optional' &&
    isTensorType(type.index)
  );
}

/** A tensor is `output`; several are `output_0`, … in their order, elements of a dict or NamedTuple `output_key`. */
function outputsOf(result: TorchValue, operators: TensorOperators, where: Location): (readonly [string, AnyValue])[] {
  const outputs: (readonly [string, AnyValue])[] = [];
  const visit = (value: TorchValue, name: string): void => {
    if (isTensor(value)) outputs.push([name, operators.valueOf(value, where)]);
    else if (Array.isArray(value) && value.length <= 1000) {
      const fields = fieldsOf(value);
      value.forEach((item, i) => {
        visit(item, `${name}_${fields?.[i] ?? i}`);
      });
    } else if (value instanceof Map)
      for (const [key, item] of value) visit(item, `${name}_${String(key).replace(/\W/g, '_')}`);
    else if (value !== null) fail('U2008', `the model returns ${describe(value)}: only tensors can be outputs`, where);
    if (outputs.length > 1000) fail('U1006', 'the model returns more than 1000 tensors', where);
  };
  if (leafCount(result) > 10_000) fail('U1006', 'the model returns lists of more than 10000 elements', where);
  visit(result, 'output');
  if (outputs.length === 0) fail('U2008', 'the model returns no tensor', where);
  return outputs.length === 1 ? [['output', outputs[0][1]]] : outputs;
}
