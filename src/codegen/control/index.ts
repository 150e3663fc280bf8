/** Operators that hold graphs, as a back end: it goes from body to body, each of which is a program of its own. */
import { assert } from '../../diagnostics/index.ts';
import {
  type BodyCall,
  bodiesIn,
  constantOf,
  controlIf,
  copyOf,
  ForeignBuffers,
  type Graph,
  hasBodies,
  type ITensor,
  isOp,
  type Node,
  stepsOf,
  type ValueId,
} from '../../ir/index.ts';
import type { Backend, Fallback, NodeTime, Plan, Region, Session } from '../backend.ts';

/** A body that runs, at the sizes of its feeds. */
export interface BodyProgram {
  /** Feeds are read before it returns, unless nobody changes them. */
  run(feeds: BodyCall['feeds'], areUnchanging?: boolean): Promise<readonly ITensor[]> | readonly ITensor[];
  runSync(feeds: BodyCall['feeds']): readonly ITensor[];
  profile(feeds: BodyCall['feeds']): { readonly outputs: readonly ITensor[]; readonly times: readonly NodeTime[] };
  /** Known once it has run. */
  readonly fallbacks: readonly Fallback[];
  dispose(): void;
}

/** @param open makes a program of a body, which is planned when it first runs */
export function control(host: Backend, open: (body: Graph) => BodyProgram): Backend {
  const { byteSums: _, timing: __, ...other } = host;
  return {
    ...other,
    name: 'control',
    delegates: true,
    accepts: (node) => (hasBodies(node) ? undefined : 'it holds no graphs'),
    plan(region): Plan {
      const constants = constantsOf(region);
      return { bytes: 0, bytesOfRun: 0, open: () => new ControlSession(region, constants, open) };
    },
  };
}

/** The constants that nodes read: the graph may lose its constants before they run. */
const constantsOf = ({ graph, nodes }: Region): ReadonlyMap<ValueId, ITensor> =>
  new Map(
    nodes.flatMap(({ operands }) =>
      operands.flatMap((id): [ValueId, ITensor][] => {
        const tensor = constantOf(graph, id);
        return id && tensor ? [[id, tensor]] : [];
      }),
    ),
  );

type Border = Pick<Region, 'nodes' | 'inputs' | 'outputs'>;

class ControlSession implements Session {
  readonly #region: Border;
  readonly #constants: ReadonlyMap<ValueId, ITensor>;
  readonly #programs: ReadonlyMap<Node, ReadonlyMap<string, BodyProgram>>;
  #isDisposed = false;

  constructor(
    { nodes, inputs, outputs }: Region,
    constants: ReadonlyMap<ValueId, ITensor>,
    open: (body: Graph) => BodyProgram,
  ) {
    const region = { nodes, inputs, outputs };
    this.#region = region;
    this.#constants = constants;
    this.#programs = new Map(
      region.nodes.map((node) => [node, new Map(bodiesIn(node).map(([name, body]) => [name, open(body)]))]),
    );
  }

  async run(inputs: readonly ITensor[], areUnchanging = false): Promise<readonly ITensor[]> {
    // of one branch alone the inputs are read before it returns
    const isBranch = this.#region.nodes.length === 1 && isOp(this.#region.nodes[0], controlIf);
    const given = areUnchanging || isBranch ? inputs : inputs.map(copyOf);
    const values = new Values(this.#region, this.#constants, given);
    for (const node of this.#region.nodes) {
      const steps = stepsOf(node, values.operandsOf(node));
      let step = steps.next();
      while (!step.done) {
        const outputs = await this.#program(node, step.value).run(step.value.feeds, areUnchanging || !isBranch);
        if (this.#isDisposed) return []; // nobody reads them
        step = steps.next(outputs);
      }
      values.finish(node, step.value);
    }
    return values.outputs();
  }

  runSync(inputs: readonly ITensor[]): readonly ITensor[] {
    return this.#runAll(inputs, (node, call) => this.#program(node, call).runSync(call.feeds));
  }

  profile(inputs: readonly ITensor[]): { outputs: readonly ITensor[]; times: NodeTime[] } {
    const times: NodeTime[] = [];
    const outputs = this.#runAll(inputs, (node, call) => {
      const known = this.#program(node, call).profile(call.feeds);
      for (const time of known.times) times.push({ ...time, node: `${node.id}/${call.body}/${time.node}` });
      return known.outputs;
    });
    return { outputs, times };
  }

  get fallbacks(): readonly Fallback[] {
    return [...this.#programs].flatMap(([{ id }, bodies]) =>
      [...bodies].flatMap(([name, program]) =>
        program.fallbacks.map((fallback) => ({ ...fallback, node: `${id}/${name}/${fallback.node}` })),
      ),
    );
  }

  dispose(): void {
    this.#isDisposed = true;
    for (const bodies of this.#programs.values()) for (const program of bodies.values()) program.dispose();
  }

  #program(node: Node, { body }: BodyCall): BodyProgram {
    return this.#programs.get(node)?.get(body) as BodyProgram;
  }

  #runAll(inputs: readonly ITensor[], run: (node: Node, call: BodyCall) => readonly ITensor[]): readonly ITensor[] {
    const values = new Values(this.#region, this.#constants, inputs);
    for (const node of this.#region.nodes) {
      const steps = stepsOf(node, values.operandsOf(node));
      let step = steps.next();
      while (!step.done) step = steps.next(run(node, step.value));
      values.finish(node, step.value);
    }
    return values.outputs();
  }
}

/** The values of one run. */
class Values {
  readonly #region: Border;
  readonly #tensors: Map<ValueId, ITensor>;
  readonly #foreign = new ForeignBuffers();

  constructor(region: Border, constants: ReadonlyMap<ValueId, ITensor>, inputs: readonly ITensor[]) {
    this.#region = region;
    this.#tensors = new Map([...constants, ...region.inputs.map((id, i) => [id, inputs[i]] as const)]);
    for (const tensor of this.#tensors.values()) this.#foreign.note(tensor);
  }

  operandsOf = ({ operands }: Node): ITensor[] => operands.map((id) => this.#read(id as ValueId));

  finish({ results }: Node, tensors: readonly ITensor[]): void {
    for (const [i, id] of results.entries()) this.#tensors.set(id, tensors[i]);
  }

  /** Memory of their own: a loop without turns gives its operands back. */
  outputs = (): ITensor[] => this.#region.outputs.map((id) => this.#foreign.owned(this.#read(id)));

  #read(id: ValueId): ITensor {
    const known = this.#tensors.get(id);
    assert(known, `%${id} was not computed`);
    return known;
  }
}
