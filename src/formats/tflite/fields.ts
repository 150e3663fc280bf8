/** A language for schemas of FlatBuffers: a table is declared once, and its reader and the type of its records follow. */
import { type FlatBuffer, kinds, type NumberKind, type Path } from './flatbuffer.ts';

/** The way one kind of value is read: `width` bytes stand in the table or vector that holds it. */
export interface ValueType<T> {
  readonly width: number;
  read(source: FlatBuffer, at: number, path: Path | undefined): T;
}

interface Field<T> {
  readonly id: number;
  readonly type: ValueType<T>;
  /** The value of an absent field. */
  readonly otherwise: T;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type RecordOf<F extends Fields> = { readonly [K in keyof F]: F[K]['otherwise'] };

/** A table is a value behind a reference; `at` reads the one at a position. */
export interface TableType<R> extends ValueType<R> {
  at(source: FlatBuffer, at: number, path: Path | undefined): R;
  /** The record of which every field is absent. */
  readonly empty: R;
}

/** The records of a table. */
export type RecordFrom<T> = T extends ValueType<infer R> ? R : never;

/** Field number `id` of a table; undefined, or the default, where it is absent. */
export function field<T>(id: number, type: ValueType<T>): Field<T | undefined>;
export function field<T>(id: number, type: ValueType<T>, otherwise: T): Field<T>;
export function field<T>(id: number, type: ValueType<T>, otherwise?: T): Field<T | undefined> {
  return { id, type, otherwise };
}

const numeric = (kind: NumberKind): ValueType<number> => ({
  width: kinds[kind].width,
  read: (source, at, path) => source.number(kind, at, path),
});

export const uint8 = numeric('uint8');
export const int8 = numeric('int8');
export const int32 = numeric('int32');
export const uint32 = numeric('uint32');
export const uint64 = numeric('uint64');
export const float32 = numeric('float32');

export const bool: ValueType<boolean> = {
  width: 1,
  read: (source, at, path) => source.number('bool', at, path) !== 0,
};

export const text: ValueType<string> = { width: 4, read: (source, at, path) => source.string(at, path) };

/** An enumeration, by its words in order; a number beyond them is undefined. */
export const word = <W extends string>(words: readonly W[], kind: NumberKind = 'int8'): ValueType<W | undefined> => ({
  width: kinds[kind].width,
  read: (source, at, path) => words[source.number(kind, at, path)],
});

/** Bytes of the file, not copied. */
export const blob: ValueType<Uint8Array> = {
  width: 4,
  read(source, at, path) {
    const { start, length } = source.vector(at, 1, path);
    return source.view(start, length);
  },
};

/** A vector of numbers, copied. */
export const numbers = (kind: NumberKind): ValueType<readonly number[]> => ({
  width: 4,
  read(source, at, path) {
    const { width } = kinds[kind];
    const { start, length } = source.vector(at, width, path);
    source.spend(width * length, path);
    return source.numbers(kind, start, length);
  },
});

export const vector = <R>(type: ValueType<R>): ValueType<readonly R[]> => ({
  width: 4,
  read(source, at, path) {
    const { start, length } = source.vector(at, type.width, path);
    source.spend(type.width * length, path);
    const read = (i: number) => type.read(source, start + type.width * i, { ...(path && { parent: path }), key: i });
    return Array.from({ length }, (_, i) => read(i));
  },
});

/** A member of a union: the position of its table, to be read once its type is known. */
export const member: ValueType<number> = { width: 4, read: (source, at, path) => source.target(at, path) };

export function table<F extends Fields>(fields: F): TableType<RecordOf<F>> {
  const names = Object.entries(fields);
  const absent = Object.fromEntries(names.map(([name, { otherwise }]) => [name, otherwise])) as RecordOf<F>;
  const at = (source: FlatBuffer, position: number, path: Path | undefined): RecordOf<F> => {
    const place = source.table(position, path);
    const values: Record<string, unknown> = { ...absent };
    for (const [name, { id, type }] of names) {
      const found = place(id, type.width);
      if (found > 0) values[name] = type.read(source, found, { ...(path && { parent: path }), key: name });
    }
    return values as RecordOf<F>;
  };
  return { width: 4, at, empty: absent, read: (source, here, path) => at(source, source.target(here, path), path) };
}
