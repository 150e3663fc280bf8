/**
 * The operator sets of a model. As in ONNX Runtime, a known operator set need not be imported to be used: its newest
 * version is assumed.
 */
import { type Context, invalid, warn } from './context.ts';
import { canonicalDomain } from './graph.ts';
import { readMessage } from './message.ts';
import type { OnnxFunction, OnnxGraph, OnnxNode } from './model.ts';
import { printable } from './printable.ts';
import { operatorSetProto } from './schema.ts';
import type { Range } from './wire.ts';

/** The newest version of each operator set that was read, or that ONNX Runtime has. */
const newestOperatorSets: ReadonlyMap<string, number> = new Map([
  ['', 27],
  ['ai.onnx.ml', 5],
  ['ai.onnx.training', 1],
  ['ai.onnx.preview.training', 1],
  ['com.microsoft', 1],
  ['com.microsoft.experimental', 1],
  ['com.microsoft.nchwc', 1],
  ['org.pytorch.aten', 1],
]);

/** @throws UnskewError U1004 for no import at all, and for versions that no operator set has or that contradict, where it is used */
export function readOperatorSets(
  context: Context,
  imports: readonly Range[],
  graph: OnnxGraph,
  functions: readonly OnnxFunction[],
): Map<string, number> {
  if (imports.length === 0) invalid(context, 'the model imports no operator set', { at: 0 });
  const used = usersOf(graph);
  const opsets = new Map<string, number>();
  for (const range of imports) {
    const fields = readMessage(operatorSetProto, context, range);
    const [domain, version] = [canonicalDomain(fields.domain), Number(fields.version ?? 0)];
    // the insides of functions are not read: they may use any domain
    const wrong = (what: string): unknown =>
      used.has(domain) || functions.length > 0
        ? invalid(context, what, range)
        : warn(context, `${what}; nobody uses it`);
    const before = opsets.get(domain) ?? version;
    if (version < 1 || !Number.isSafeInteger(version)) wrong(`operator set '${shown(domain)}' has version ${version}`);
    if (before !== version) wrong(`operator set '${shown(domain)}' is imported as ${before} and as ${version}`);
    opsets.set(domain, version);
  }
  for (const [domain, node] of used) complete(context, opsets, domain, node);
  return opsets;
}

/** Assumes a version for a missing import, and warns about versions newer than the known ones. */
function complete(context: Context, opsets: Map<string, number>, domain: string, user: OnnxNode): void {
  const newest = newestOperatorSets.get(domain);
  if (newest === undefined) return;
  const version = opsets.get(domain);
  const { name, outputs, opType } = user;
  const where = context.inNode(name || outputs[0] || opType, opType);
  if (version === undefined) {
    opsets.set(domain, newest);
    warn(where, `the model uses operators of ${shown(domain)} and does not import them: version ${newest} is taken`);
  } else if (version > newest)
    warn(
      context,
      `version ${version} of ${shown(domain)} is newer than ${newest}, the newest that is known: its operators are read as those of ${newest}`,
    );
}

const shown = (domain: string): string => (domain === '' ? 'ai.onnx' : printable(domain));

/** A node for each used domain, in bodies too. */
function usersOf(root: OnnxGraph): ReadonlyMap<string, OnnxNode> {
  const users = new Map<string, OnnxNode>();
  const visit = ({ nodes }: OnnxGraph): void => {
    for (const node of nodes) {
      if (!users.has(node.domain)) users.set(node.domain, node);
      for (const attribute of node.attributes.values())
        if (attribute.kind === 'graph') visit(attribute.value);
        else if (attribute.kind === 'graphs') attribute.value.forEach(visit);
    }
  };
  visit(root);
  return users;
}
