/** TFLite_Detection_PostProcess: answers of LiteRT, the laws of a suppression, and the map of its options. */
import fc from 'fast-check';
import { encode } from 'flatbuffers/js/flexbuffers.js';
import { describe, expect, it } from 'vitest';
import { exportOnnx } from '../../src/exporters/onnx/export.ts';
import { numbersOfFlexMap } from '../../src/formats/tflite/index.ts';
import { importTflite } from '../../src/importers/tflite/import.ts';
import { type Graph, interpret, isOp, nodesOf, opaqueOp } from '../../src/ir/index.ts';
import { greatestPlaces, suppressed } from '../../src/numerics/index.ts';
import { bytesOf, numbersOf, tensor } from '../../src/tensors/index.ts';
import { expectSame } from '../differential/support.ts';
import { random } from '../fuzz/draw.ts';
import { draws } from '../support/draws.ts';
import { writeTflite } from '../support/tflite.ts';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const flexbuffer = (map: Readonly<Record<string, number | boolean | string>>): Uint8Array =>
  new Uint8Array(encode(map));

const options = {
  max_detections: 4,
  num_classes: 4,
  nms_score_threshold: 0.25,
  nms_iou_threshold: 0.3,
  y_scale: 10,
  x_scale: 10,
  h_scale: 5,
  w_scale: 5,
  detections_per_class: 2,
};
const codes = [
  ...[2.04, -2.56, 0.42, -0.57, -0.45, -0.22, -2.02, -0.23, -0.87, 3.32, 0.23, -0.35],
  ...[-0.28, -0.67, -1.06, -0.39, 0.48, -0.24, 0.96, -0.2, 0.02, 1.55, 0.55, -0.51],
];
/** Centres of the anchors, which are a quarter high and wide. */
const centres = {
  fast: [0.5, 0.375, 0.375, 0.375, 0.375, 0.25, 0.25, 0.375, 0.5, 0.375, 0.5, 0.25],
  regular: [0.5, 0.375, 0.375, 0.25, 0.375, 0.375, 0.5, 0.375, 0.375, 0.375, 0.375, 0.25],
};
/** In quarters. */
const scores = [4, 2, 2, 3, 0, 3, 1, 0, 3, 4, 1, 3, 1, 3, 3, 1, 3, 3, 3, 3, 2, 3, 4, 0, 3, 2, 2, 1, 3, 1].map(
  (n) => n / 4,
);

function modelOf(way: 'fast' | 'regular', custom: Uint8Array, width: number, places: number): Graph {
  const anchors = tensor(
    'f32',
    range(24).map((i) => (i % 4 < 2 ? centres[way][2 * Math.floor(i / 4) + (i % 4)] : 0.25)),
  );
  const float = (name: string, shape: readonly number[]) => ({ type: 'FLOAT32', name, shape }) as const;
  const bytes = writeTflite({
    tensors: [
      float('codes', [1, 6, 4]),
      float('scores', [1, 6, width]),
      { ...float('anchors', [6, 4]), data: bytesOf(anchors.data) },
      float('boxes', [1, places, 4]),
      float('classes', [1, places]),
      float('best', [1, places]),
      float('count', [1]),
    ],
    operators: [
      {
        op: 'TFLite_Detection_PostProcess',
        custom: true,
        inputs: [0, 1, 2],
        outputs: [3, 4, 5, 6],
        customOptions: custom,
      },
    ],
    inputs: [0, 1],
    outputs: [3, 4, 5, 6],
  });
  return importTflite(bytes);
}

const feedsOf = (width: number) => ({
  codes: tensor('f32', codes, [1, 6, 4]),
  scores: tensor('f32', scores.slice(0, 6 * width), [1, 6, width]),
});

describe('detections', () => {
  it('suppresses over the best scores, classes in the order of the kernel', async () => {
    const graph = modelOf(
      'fast',
      flexbuffer({ ...options, max_classes_per_detection: 3, use_regular_nms: false }),
      5,
      12,
    );
    const { boxes, classes, best, count } = interpret(graph, feedsOf(5));
    expect(numbersOf(count)).toEqual([3]);
    expect(numbersOf(classes)).toEqual([3, 2, 0, 1, 3, 0, 0, 1, 2, 0, 0, 0]);
    expect(numbersOf(best)).toEqual([1, 0.75, 0.25, 1, 0.75, 0.75, 0.75, 0.75, 0.75, 0, 0, 0]);
    expect(numbersOf(boxes).filter((_, i) => Math.floor(i / 4) % 3 === 0)).toEqual([
      ...[0.2802944779396057, 0.25011977553367615, 0.4472055435180664, 0.4888802468776703],
      ...[0.3605412244796753, 0.24890130758285522, 0.6634588241577148, 0.4890986680984497],
      ...[0.14187940955162048, 0.24262943863868713, 0.344120591878891, 0.47387054562568665],
      ...[0, 0, 0, 0],
    ]);
    (await expectSame(graph, feedsOf(5))).dispose();
  });

  it('suppresses class by class', () => {
    const graph = modelOf(
      'regular',
      flexbuffer({ ...options, max_classes_per_detection: 1, use_regular_nms: true }),
      4,
      4,
    );
    const { boxes, classes, best, count } = interpret(graph, feedsOf(4));
    expect([count, classes, best].map(numbersOf)).toEqual([[4], [0, 1, 2, 0], [1, 1, 1, 0.75]]);
    expect(numbersOf(boxes)).toEqual([
      ...[0.4150463938713074, 0.1994677484035492, 0.686953604221344, 0.42253223061561584],
      ...[0.22236569225788116, 0.3414507806301117, 0.484134316444397, 0.5745492577552795],
      ...[0.23596523702144623, 0.17587129771709442, 0.5150347352027893, 0.40162867307662964],
      ...[0.22236569225788116, 0.3414507806301117, 0.484134316444397, 0.5745492577552795],
    ]);
  });

  it('is refused by name on the way to ONNX', () => {
    const graph = modelOf('fast', flexbuffer({ ...options, max_classes_per_detection: 1 }), 5, 4);
    expect(() => exportOnnx(graph)).toThrow(/nn\.detection_postprocess/);
  });

  it('refuses options that are not a map, and other custom operators stay carried', () => {
    expect(() => modelOf('fast', Uint8Array.of(1, 2, 3), 5, 4)).toThrow('FlexBuffers');
    const none = modelOf('fast', flexbuffer({ ...options, max_classes_per_detection: 1, y_scale: Number.NaN }), 5, 4);
    expect(nodesOf(none).some((node) => isOp(node, opaqueOp))).toBe(true);
  });
});

describe('a suppression', () => {
  it('keeps boxes that do not overlap, and leaves out those that overlap a better one', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(0.1, 0.4, 0.75), (seed, overlapThreshold) => {
        const draw = random(seed);
        const n = 1 + draw(20);
        const corners = Float32Array.from(
          range(n).flatMap(() => {
            const [y, x] = [draw(8), draw(8)];
            return [y, x, y + draw(6), x + draw(6)];
          }),
        );
        const values = range(n).map(() => draw(6) / 4);
        const chosen = suppressed(corners, values, { scoreThreshold: 0.25, overlapThreshold }, n);
        const isOver = (a: number, b: number): boolean => {
          const [p, q] = [a, b].map((i) => [...corners.subarray(4 * i, 4 * i + 4)]);
          const area = ([y, x, v, u]: number[]) => (v - y) * (u - x);
          const shared = area(
            p.map((v, i) => (i < 2 ? Math.max(v, q[i]) : Math.max(Math.min(v, q[i]), Math.max(p[i - 2], q[i - 2])))),
          );
          return area(p) > 0 && area(q) > 0 && Math.fround(shared / (area(p) + area(q) - shared)) > overlapThreshold;
        };
        const order = (a: number, b: number) => values[b] - values[a] || a - b;
        expect(chosen).toEqual(chosen.toSorted(order));
        for (const box of range(n)) {
          const better = chosen.filter((other) => order(other, box) < 0);
          const isChosen = values[box] >= 0.25 && !better.some((other) => isOver(other, box));
          expect(chosen.includes(box)).toBe(isChosen);
        }
      }),
      draws(100),
    );
  });

  it('sorts the greatest of a list', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 30 }),
        fc.nat(29),
        (values, most) => {
          const count = Math.min(1 + most, values.length);
          const places = greatestPlaces(values, count);
          expect(new Set(places).size).toBe(count);
          expect(places.map((place) => values[place])).toEqual(values.toSorted((a, b) => b - a).slice(0, count));
        },
      ),
    );
  });
});

describe('maps of FlexBuffers', () => {
  it('are read as they were written', () => {
    const numbers = fc.oneof(fc.integer(), fc.double({ min: -(2 ** 53), max: 2 ** 53, noNaN: true }), fc.boolean());
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), numbers, { minKeys: 1, noNullPrototype: true }),
        (map) => {
          const read = numbersOfFlexMap(flexbuffer(map));
          expect(Object.fromEntries(read ?? [])).toEqual(
            Object.fromEntries(Object.entries(map).map(([key, value]) => [key, Number(value) + 0])),
          );
        },
      ),
    );
  });

  it('leave out what is not a number', () => {
    expect([...(numbersOfFlexMap(flexbuffer({ a: 'text', b: 2 })) ?? [])]).toEqual([['b', 2]]);
  });

  it('are undefined, and end, for bytes that were changed', () => {
    const whole = flexbuffer({ ...options, use_regular_nms: true });
    fc.assert(
      fc.property(fc.nat(), fc.nat(whole.length), (seed, length) => {
        const draw = random(seed);
        const bytes = whole.slice(whole.length - length);
        for (const at of range(3)) if (bytes.length > at) bytes[draw(bytes.length)] = draw(256);
        const read = numbersOfFlexMap(bytes);
        expect(read === undefined || read.size <= 256).toBe(true);
      }),
      draws(1000),
    );
    for (const bytes of [[], [0], [36], [36, 1], [0, 36, 200], [0, 0, 36, 1]])
      expect(numbersOfFlexMap(Uint8Array.from(bytes))).toBeUndefined();
  });
});
