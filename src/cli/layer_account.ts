/**
 * Compares the quantized layers of a file with the layers that were read and corrected, so that each one is accounted
 * for.
 */
import { fileLayers } from '../importers/index.ts';
import { type Graph, isQuantizedProduct, nodesOf } from '../ir/index.ts';
import type { RemainingZeroPoint } from '../passes/index.ts';
import { type Column, count, formatTable, named } from './table.ts';
import type { Terminal } from './terminal.ts';

export interface CarriedLayer {
  readonly layer: string;
  readonly operator: string;
  /** The control-flow nodes in whose bodies it stands, outermost first. */
  readonly within: readonly string[];
  readonly hasZeroPoint: boolean;
  readonly reason: string;
}

export interface LayerAccount {
  /** Quantized convolutions and matrix products of the file, those in bodies included. */
  readonly total: number;
  /** Counts the layers that became operators that unskew computes. */
  readonly read: number;
  /** The others: they are as they were. */
  readonly carried: readonly CarriedLayer[];
  /** The remaining zero points that the target does not allow. */
  readonly left: readonly RemainingZeroPoint[];
  /** True when no zero points are left, on carried layers included. */
  readonly reached: boolean;
}

interface Legalized {
  /** The graph before zero points were corrected. */
  readonly quantized: Graph;
  readonly remaining: readonly RemainingZeroPoint[];
}

export function accountOf(source: Graph, { quantized, remaining }: Legalized): LayerAccount {
  const { total, carried } = ofFile(source) ?? ofGraph(source, quantized, remaining);
  return {
    total,
    read: total - carried.length,
    carried,
    left: remaining,
    reached: remaining.length === 0 && !carried.some(({ hasZeroPoint }) => hasZeroPoint),
  };
}

type Counted = Pick<LayerAccount, 'total' | 'carried'>;

function ofFile(source: Graph): Counted | undefined {
  const layers = fileLayers(source);
  if (layers === undefined) return undefined;
  const carried = layers.flatMap(({ carried: reason, ...layer }) =>
    reason === undefined ? [] : [{ ...layer, reason }],
  );
  return { total: layers.length, carried };
}

/** Operators of PyTorch that multiply quantized numbers. */
const carriedOfPyTorch = /^(quantized|onednn|quantized_decomposed|_?aten).*(conv|linear|_mm|matmul|lstm|gru)/i;

/** Counts the layers of the graph itself, for archives of PyTorch and textual IR. */
function ofGraph(source: Graph, quantized: Graph, remaining: readonly RemainingZeroPoint[]): Counted {
  const layers = new Set(remaining.map(({ layer }) => layer));
  for (const node of nodesOf(quantized)) if (isQuantizedProduct(node)) layers.add(node.loc.node ?? node.id);
  const carried = (source.origin?.unsupported ?? []).flatMap(({ value, operator, reason }) =>
    carriedOfPyTorch.test(operator) && /quantized|onednn|_int_mm/.test(operator)
      ? [{ layer: value, operator, within: [], hasZeroPoint: true, reason }]
      : [],
  );
  for (const { layer } of carried) layers.add(layer);
  return { total: layers.size, carried };
}

/** `12 quantized layers in the file, 10 read` */
export const accountText = ({ total, read }: LayerAccount): string =>
  total === 0
    ? 'no quantized layer in the file'
    : `${count(total, 'quantized layer')} in the file, ${read === total ? 'all' : read} read`;

interface Placed {
  readonly layer: string;
  readonly bodyOf?: readonly string[];
  readonly within?: readonly string[];
}

/** The layer and the control-flow nodes in whose bodies it stands: layer names are unique within one graph only. */
export const placeOf = ({ layer, bodyOf, within = bodyOf ?? [] }: Placed): string =>
  within.length === 0 ? layer : `${layer} (in ${within.join(' › ')})`;

/** Counts the layers with zero points left; undefined when the target was reached. */
export function leftText(account: LayerAccount | undefined): string | undefined {
  if (account === undefined || account.reached) return undefined;
  const { left, carried } = account;
  const layers = new Set([...left.map(placeOf), ...carried.filter(({ hasZeroPoint }) => hasZeroPoint).map(placeOf)]);
  return `${count(layers.size, 'layer')} ${layers.size === 1 ? 'keeps its' : 'keep their'} zero points`;
}

/** More layers than this are listed with -v alone. */
const LISTED = 12;

/** Which layers are not as the target wants them, or were not read, and why. */
export function accountTables({ left, carried }: LayerAccount, terminal: Terminal): string[] {
  const listed = new Set(left.map(placeOf));
  const others = carried.filter((layer) => !listed.has(placeOf(layer)));
  const table = (title: string, columns: readonly Column[], rows: readonly (readonly string[])[]): string[] => {
    if (rows.length === 0) return [];
    const shown = terminal.verbose ? rows : rows.slice(0, LISTED);
    const more = rows.length - shown.length;
    return [
      `${terminal.paint('bold', title)}, because:`,
      formatTable(columns, shown),
      ...(more > 0 ? [`… and ${count(more, 'more layer')}: -v lists all`] : []),
    ];
  };
  return [
    ...table('Zero points left', [named('layer'), 'operator', 'operand', 'reason'], leftRows(left)),
    ...table(
      'Not read, and carried as they are',
      [named('layer'), 'operator', named('in the body of'), 'zero points', 'reason'],
      others.map((l) => [l.layer, l.operator, l.within.join(' › '), l.hasZeroPoint ? 'not 0' : 'none', l.reason]),
    ),
  ];
}

/** One row for the operands of a layer that stay for the same reason. */
function leftRows(left: LayerAccount['left']): string[][] {
  const rows = new Map<string, string[]>();
  for (const { op, operand, reason, hint, ...entry } of left) {
    const layer = placeOf(entry);
    const row = rows.get(`${layer}\n${reason}`);
    if (row) row[2] += `, ${operand}`;
    else rows.set(`${layer}\n${reason}`, [layer, op, operand, hint ? `${reason} (${hint})` : reason]);
  }
  return [...rows.values()];
}
