/**
 * Reads JSON of the export schema field by field. A missing field, or one of another kind, is an error that says where
 * it lies; unused fields are ignored, since newer minor versions of the schema add some.
 */
import { fail, type Location, messageOf } from '../../../diagnostics/index.ts';

/** No program comes near this size; deeper or larger texts would not be parsed in bounded time. */
const LARGEST_TEXT = 2 ** 28;

/** A value of the document and the way to it: `graph_module.graph.nodes[3].target`. */
export class Json {
  readonly value: unknown;
  readonly path: string;
  readonly #where: Location;

  constructor(value: unknown, path: string, where: Location) {
    this.value = value;
    this.path = path;
    this.#where = where;
  }

  /** @throws UnskewError U1003 when the text is not JSON, U1006 when it is too long */
  static parse(text: string, where: Location): Json {
    if (text.length > LARGEST_TEXT) fail('U1006', `the JSON has ${text.length} characters`, where);
    try {
      return new Json(JSON.parse(quoted(text)), '', where);
    } catch (error) {
      return fail('U1003', `the JSON cannot be parsed: ${messageOf(error).slice(0, 200)}`, where);
    }
  }

  get where(): Location {
    return { ...this.#where, ...(this.path !== '' && { input: this.path }) };
  }

  // ---- kinds

  string(): string {
    return typeof this.value === 'string' ? this.value : this.#wrong('a string');
  }

  bool(): boolean {
    return typeof this.value === 'boolean' ? this.value : this.#wrong('true or false');
  }

  /** Integers beyond 2^53 stand for "no bound" and are limited to it. */
  int(): number {
    const { value } = this;
    if (typeof value !== 'number' || !Number.isInteger(value)) return this.#wrong('an integer');
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  /** A float. Infinities and NaN, which JSON lacks, are written as words. */
  float(): number {
    const { value } = this;
    if (typeof value === 'number') return value;
    if (value === 'Infinity' || value === '-Infinity' || value === 'NaN') return Number(value);
    return this.#wrong('a number');
  }

  list<T>(item: (json: Json) => T): readonly T[] {
    if (!Array.isArray(this.value)) return this.#wrong('a list');
    return this.value.map((value, i) => item(new Json(value, `${this.path}[${i}]`, this.#where)));
  }

  /** The entries of an object with arbitrary keys. */
  entries<T>(item: (json: Json, key: string) => T): ReadonlyMap<string, T> {
    return new Map(
      Object.entries(this.#object()).map(([key, value]) => [key, item(this.#child(key, value), key)] as const),
    );
  }

  // ---- fields

  get(name: string): Json {
    return this.find(name) ?? fail('U1004', `${this.path || 'the document'} has no field '${name}'`, this.where);
  }

  /** undefined for an absent or null field. */
  find(name: string): Json | undefined {
    const object = this.#object();
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    return value === undefined || value === null ? undefined : this.#child(name, value);
  }

  /** The one field of a union, and which it is. */
  union(): readonly [kind: string, value: Json] {
    const fields = Object.entries(this.#object());
    if (fields.length !== 1) return this.#wrong('an object with one field');
    const [[kind, value]] = fields;
    return [kind, this.#child(kind, value)];
  }

  #child(name: string, value: unknown): Json {
    return new Json(value, this.path === '' ? name : `${this.path}.${name}`, this.#where);
  }

  #object(): Readonly<Record<string, unknown>> {
    const { value } = this;
    return isObject(value) ? value : this.#wrong('an object');
  }

  #wrong(expected: string): never {
    const found = JSON.stringify(this.value) ?? 'nothing';
    return fail(
      'U1004',
      `${this.path || 'the document'} should be ${expected}, but is ${shortened(found)}`,
      this.where,
    );
  }
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Quotes numbers that JSON lacks. Python writes them as bare words, newer versions as strings: both become strings. */
const quoted = (text: string): string =>
  /[[:,]\s*-?(?:Infinity|NaN)/.test(text)
    ? text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/g, (part) => (part.startsWith('"') ? part : `"${part}"`))
    : text;

const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
