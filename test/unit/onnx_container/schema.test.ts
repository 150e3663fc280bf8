/** The table of messages against onnx-proto's generated code, which knows ONNX 1.10. */
import { describe, expect, it } from 'vitest';
import * as schema from '../../../src/formats/onnx/schema.ts';
import { kinds, type Message } from '../../../src/formats/onnx/schema.ts';
import { onnx } from './support.ts';

interface Generated {
  new (): object;
  readonly prototype: object;
  encode(message: object): { finish(): Uint8Array };
}

const messages: readonly Message[] = Object.values(schema).filter((value) => 'byNumber' in value);
const generated = (name: string): Generated =>
  (name.split('.') as string[]).reduce(
    (scope, part) => (scope as Record<string, unknown>)[part],
    onnx as unknown,
  ) as Generated;

/** Values that each kind of field can hold; sub-messages may be empty. */
const samples = {
  string: 'x',
  strings: ['x'],
  bytes: Uint8Array.of(1),
  message: {},
  messages: [{}],
  present: 'x',
  int: 1,
  float: 1,
  ints: [1],
  floats: [1],
  doubles: [1],
  blobs: [Uint8Array.of(1)],
};
/** Added to ONNX after 1.10, and the oldest one, which onnx-proto was built without. */
const newer =
  /metadataProps|overload|deviceConfigurations|configuration|attributeProto|FunctionProto\.valueInfo|opaqueType/;

describe.each(messages.map((message) => [message.name, message] as const))('%s', (name, message) => {
  const known = generated(name);
  const fields = Object.entries(message.fields);

  it('has the field numbers and wire types of onnx-proto', () => {
    for (const [key, [number, kind]] of fields) {
      if (!(key in known.prototype)) {
        expect(`${name}.${key}`).toMatch(newer);
        continue;
      }
      let encoded: Uint8Array;
      try {
        encoded = known.encode({ [key]: samples[kind] }).finish();
      } catch (error) {
        throw new Error(`${name}.${key} is not a ${kind}: ${error}`);
      }
      let tag = 0;
      for (let i = 0, shift = 0; ; i++, shift += 7) {
        tag |= (encoded[i] & 127) << shift;
        if (encoded[i] < 128) break;
      }
      const packed = kinds[kind].run && (tag & 7) === 2;
      expect([key, tag >> 3, packed ? kinds[kind].wire : tag & 7]).toEqual([key, number, kinds[kind].wire]);
    }
  });

  it('knows every field that onnx-proto knows', () => {
    const theirs = Object.keys(known.prototype).filter(
      (key) => typeof (known.prototype as Record<string, unknown>)[key] !== 'function',
    );
    expect(theirs.filter((key) => !(key in message.fields))).toEqual([]);
  });
});
