/** Lists and dicts of the code: shared by all who hold them, so that a change is seen by each. */
import { describe, numberOf, type TorchValue } from '../values.ts';

/** A call whose first argument is a list or a dict. */
export interface ContainerCall {
  readonly args: readonly TorchValue[];
  refuse(why: string): never;
}

type Body<C> = (container: C, call: ContainerCall) => TorchValue;
type List = TorchValue[];
type Dict = Map<TorchValue, TorchValue>;
type Table<C> = Readonly<Record<string, Body<C>>>;

/** Elements of a list that no model needs. */
const LONGEST = 1_000_000;

const argument = ({ args, refuse }: ContainerCall, i: number): TorchValue =>
  i < args.length ? args[i] : refuse(`with ${args.length} arguments`);

const numberAt = (call: ContainerCall, i: number): number =>
  numberOf(argument(call, i)) ?? call.refuse(`of ${describe(call.args[i])}: a number is needed`);

/** The position of an element that is there; negative ones count from the end. */
function positionIn(list: List, call: ContainerCall, i: number): number {
  const number = numberOf(argument(call, i));
  const at = number === undefined ? -1 : number < 0 ? number + list.length : number;
  return number !== undefined && Number.isInteger(at) && at >= 0 && at < list.length
    ? at
    : call.refuse(`: the index ${describe(call.args[i])} is outside of a list of ${list.length}`);
}

function limit(call: ContainerCall, length: number): void {
  if (length > LONGEST) call.refuse(`makes a list of ${length}`);
}

const equals = (a: TorchValue, b: TorchValue): boolean =>
  a === b || (numberOf(a) !== undefined && numberOf(a) === numberOf(b));

function sortedList(list: List, call: ContainerCall): List {
  const isDown = call.args[1] === true;
  const items = list.filter((item) => typeof item === 'number' || typeof item === 'string');
  if (items.length < list.length) call.refuse('of values that are not numbers');
  const sorted = items.sort((a, b) => (a === b ? 0 : a < b ? -1 : 1));
  return isDown ? sorted.reverse() : sorted;
}

function extend(list: List, call: ContainerCall): void {
  const more = argument(call, 1);
  const items = Array.isArray(more) ? [...more] : call.refuse(`by ${describe(more)}`);
  limit(call, list.length + items.length);
  for (const item of items) list.push(item);
}

const changingLists: Table<List> = {
  'aten::append'(list, call) {
    limit(call, list.length + 1);
    list.push(argument(call, 1));
    return null;
  },
  'aten::extend'(list, call) {
    extend(list, call);
    return null;
  },
  'aten::add_'(list, call) {
    extend(list, call);
    return list;
  },
  'aten::mul_'(list, call) {
    const times = Math.max(0, numberAt(call, 1));
    limit(call, list.length * times);
    const once = [...list];
    list.length = 0;
    for (let i = 0; i < times; i++) for (const item of once) list.push(item);
    return list;
  },
  'aten::insert'(list, call) {
    limit(call, list.length + 1);
    list.splice(numberAt(call, 1), 0, argument(call, 2));
    return null;
  },
  'aten::pop'(list, call) {
    const last = { ...call, args: [list, -1] };
    return list.splice(positionIn(list, call.args.length > 1 ? call : last, 1), 1)[0];
  },
  'aten::_set_item'(list, call) {
    list[positionIn(list, call, 1)] = argument(call, 2);
    return list;
  },
  'aten::Delete'(list, call) {
    list.splice(positionIn(list, call, 1), 1);
    return null;
  },
  'aten::remove'(list, call) {
    const at = list.findIndex((item) => equals(item, argument(call, 1)));
    if (at < 0) call.refuse('of a value that is not in the list');
    list.splice(at, 1);
    return null;
  },
  'aten::clear'(list) {
    list.length = 0;
    return null;
  },
  'aten::reverse'(list) {
    list.reverse();
    return null;
  },
  'aten::sort'(list, call) {
    sortedList(list, call).forEach((item, i) => {
      list[i] = item;
    });
    return null;
  },
};

function keyed(dict: Dict, call: ContainerCall): TorchValue {
  const key = argument(call, 1);
  const value = dict.get(key);
  return value === undefined ? call.refuse(`: the dict has no key ${String(key)}`) : value;
}

const changingDicts: Table<Dict> = {
  'aten::_set_item'(dict, call) {
    dict.set(argument(call, 1), argument(call, 2));
    return null;
  },
  'aten::Delete'(dict, call) {
    keyed(dict, call);
    dict.delete(call.args[1]);
    return null;
  },
  'aten::pop'(dict, call) {
    const value = call.args.length > 2 && !dict.has(call.args[1]) ? call.args[2] : keyed(dict, call);
    dict.delete(call.args[1]);
    return value;
  },
  'aten::popitem'(dict, call) {
    const last = [...dict].at(-1) ?? call.refuse('of a dict that is empty');
    dict.delete(last[0]);
    return [...last];
  },
  'aten::setdefault'(dict, call) {
    if (!dict.has(argument(call, 1))) dict.set(call.args[1], argument(call, 2));
    return keyed(dict, call);
  },
  'aten::update'(dict, call) {
    const more = argument(call, 1);
    if (!(more instanceof Map)) return call.refuse(`by ${describe(more)}`);
    for (const [key, value] of [...more]) dict.set(key, value);
    return null;
  },
  'aten::clear'(dict) {
    dict.clear();
    return null;
  },
};

const lists: Table<List> = {
  ...changingLists,
  'aten::list': (list) => [...list],
  'aten::copy': (list) => [...list],
  'aten::sorted': (list, call) => sortedList(list, call),
  'aten::__getitem__': (list, call) => list[positionIn(list, call, 1)],
  'aten::index'(list, call) {
    const at = list.findIndex((item) => equals(item, argument(call, 1)));
    return at < 0 ? call.refuse('of a value that is not in the list') : at;
  },
  'aten::count': (list, call) => list.filter((item) => equals(item, argument(call, 1))).length,
};

const dicts: Table<Dict> = {
  ...changingDicts,
  'aten::dict': (dict) => new Map(dict),
  'aten::copy': (dict) => new Map(dict),
  'aten::list': (dict) => [...dict.keys()],
  'aten::__getitem__': keyed,
  'aten::get': (dict, call) => dict.get(argument(call, 1)) ?? call.args[2] ?? null,
  'aten::keys': (dict) => [...dict.keys()],
  'aten::values': (dict) => [...dict.values()],
  'aten::items': (dict) => [...dict].map(([key, value]) => [key, value]),
};

/** The method of the list or dict that is the first argument of a call; undefined for an unknown name. */
export function containerCall(
  name: string,
  container: TorchValue | undefined,
): { changes: boolean; run: (call: ContainerCall) => TorchValue } | undefined {
  if (Array.isArray(container) && Object.hasOwn(lists, name))
    return { changes: Object.hasOwn(changingLists, name), run: (call) => lists[name](container, call) };
  if (container instanceof Map && Object.hasOwn(dicts, name))
    return { changes: Object.hasOwn(changingDicts, name), run: (call) => dicts[name](container, call) };
  return undefined;
}
