/** Layers taken out of a network and timed; the times decide the choice. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { costRowsOf, measurable, measureStrategies } from '../../../src/codegen/measure_strategies.ts';
import { resolveTarget } from '../../../src/codegen/targets.ts';
import { type Graph, interpret, nnSub, nodesOf, specialize, tensor, verify } from '../../../src/ir/index.ts';
import { type Layer, layersOf, symmetricOf } from '../../../src/passes/cost/layers.ts';
import { legalizeFor } from '../../../src/passes/legalize.ts';
import { addonAvailable } from '../../../src/runtime/addon.ts';
import { backends, costsHere } from '../../../src/runtime/backends.ts';
import { compileGraph } from '../../../src/runtime/compile_graph.ts';
import { machineOf, writeCosts } from '../../../src/runtime/cost_cache.ts';
import { Model } from '../../../src/runtime/model.ts';
import { describeUnless } from '../../support/unless.ts';
import { network } from './support.ts';

const target = resolveTarget('onednn');
const fixed = specialize(network(), new Map([['N', 1]]));
const layers = (graph: Graph): Layer[] => layersOf(legalizeFor(graph, target).quantized, { target, note: () => {} });
const image = {
  x: tensor(
    'u8',
    Array.from({ length: 288 }, (_, i) => (i * 89) % 256),
    [1, 8, 6, 6],
  ),
};

describe('layers of a network', () => {
  test('are the products with their epilogues, and mean the same', () => {
    const found = layers(fixed);
    expect(found.map(({ node }) => node.loc.node)).toEqual(['layer0', 'layer1', 'layer2']);
    let feeds: Record<string, typeof image.x> = image;
    for (const { graph } of found) {
      expect(verify(graph)).toEqual([]);
      expect(nodesOf(graph).map(({ op }) => op)).toEqual(['qnn.conv', 'nn.add', 'qnn.requantize']);
      feeds = interpret(graph, feeds) as typeof feeds;
    }
    expect(feeds.y2.data).toEqual(interpret(fixed, image).y2.data);
  });

  test('hold subtracted terms too', () => {
    const [{ graph }] = layers(specialize(network(6, nnSub), new Map([['N', 1]])));
    expect(nodesOf(graph).map(({ op }) => op)).toEqual(['qnn.conv', 'nn.sub', 'qnn.requantize']);
  });

  test('are alike by shapes, types and attributes, not by numbers', () => {
    const [first, second, third] = layers(fixed);
    expect(first.key).toBe(second.key);
    expect(first.key).not.toBe(third.key);
    expect(first.layer).toEqual({
      kind: 'conv',
      depthwise: false,
      padded: true,
      groups: 1,
      taps: 9,
      stride: 1,
      inputChannels: 8,
      outputChannels: 8,
      positions: 36,
    });
    expect(layers(network('H'))[0].layer.positions).toBeUndefined();
  });

  test('without their zero point read 0 where they read it before', () => {
    const [first] = layers(fixed);
    const shifted = {
      x: tensor(
        'u8',
        image.x.data.map((v) => Math.min(v, 248) + 7),
        image.x.shape,
      ),
    };
    const plain = {
      x: tensor(
        'u8',
        image.x.data.map((v) => Math.min(v, 248)),
        image.x.shape,
      ),
    };
    expect(interpret(symmetricOf(first), plain).y0.data).toEqual(interpret(first.graph, shifted).y0.data);
  });

  test('without bias and requantize, or with other readers, end where they end', () => {
    const values = fixed.values;
    const shared = { ...fixed, values, outputs: [...fixed.outputs, nodesOf(fixed)[0].results[0]] };
    expect(nodesOf(layers(shared)[0].graph).map(({ op }) => op)).toEqual(['qnn.conv']);
  });
});

test.each(['border-table', 'pad', 'native', 'two-conv'] as const)('auto goes by the costs given: %s', (cheapest) => {
  const costs = { origin: 'test', costOf: (way: string) => (way === cheapest ? 0.5 : 2) };
  const result = legalizeFor(fixed, target, { costs });
  expect(result.strategies.map(({ chosen }) => chosen)).toEqual(
    cheapest === 'pad' ? ['pad', 'pad', 'fold'] : [cheapest, cheapest, cheapest],
  );
  expect(interpret(result.graph, image).y2.data).toEqual(interpret(fixed, image).y2.data);
});

describeUnless(addonAvailable().available ? undefined : 'the addon is not built', 'on the addon', () => {
  let folder: string;
  const before = process.env.XDG_CACHE_HOME;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'unskew-measure-'));
    process.env.XDG_CACHE_HOME = folder;
  });
  afterAll(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    rmSync(folder, { recursive: true, force: true });
  });

  test('every legal way but the reference is timed, layers alike once', () => {
    const backend = backends.onednn.open(backends.onednn.here(1));
    const seen: string[] = [];
    const found = measureStrategies(legalizeFor(fixed, target).quantized, measurable(backend), {
      target: backend,
      rounds: 2,
      turn: 20,
      onProgress: (done, total, layer) => seen.push(`${done}/${total} ${layer}`),
    });
    expect(found.map((layer) => layer.layers)).toEqual([['layer0', 'layer1'], ['layer2']]);
    expect(seen).toEqual(['0/2 layer0', '1/2 layer2']);
    for (const layer of found) {
      expect(layer.symmetricMicroseconds).toBeGreaterThan(0);
      expect(layer.overBest).toBeGreaterThanOrEqual(1);
      for (const way of layer.ways) {
        expect(way.measured !== undefined, way.name).toBe(way.legal && way.name !== 's32-shift');
        if (way.measured === undefined) expect(way.reason).toBeTruthy();
      }
    }
    const folded = found[1].ways.find(({ name }) => name === 'fold');
    expect(folded?.measured).toBe(1); // the same primitive with another bias
    expect(costRowsOf(found)[1].costs).toMatchObject({ fold: 1 });
  });

  test('compile uses the measurements of this machine, unless told not to; the results are the same', () => {
    const { library } = backends.onednn;
    assert(library);
    const rows = layers(fixed).map(({ layer }) => ({ layer, costs: { 'two-conv': 0.1, native: 9, fold: 9, pad: 9 } }));
    const shipped = compileGraph(fixed, { threads: 1 });
    writeCosts(machineOf(library(), 1), rows);
    expect(costsHere('onednn', 1)).toEqual(rows);
    expect(costsHere('reference', 1)).toEqual([]);
    const measured = compileGraph(fixed, { threads: 1 });
    expect(measured.strategies.map(({ chosen }) => chosen)).toEqual(['two-conv', 'two-conv', 'two-conv']);
    const ignoring = compileGraph(fixed, { threads: 1, measuredCosts: false });
    expect(ignoring.strategies.map(({ chosen }) => chosen)).toEqual(shipped.strategies.map(({ chosen }) => chosen));
    const outputs = [measured, ignoring].map((compiled) => {
      const model = new Model(compiled, { threads: 1 });
      const feed = { x: { type: 'uint8', data: image.x.data as Uint8Array, dims: [1, 8, 6, 6] } };
      expect(model.fallbacks).toEqual([]);
      const { data } = model.runSync(feed).y2;
      model.dispose();
      return data;
    });
    expect(outputs[0]).toEqual(outputs[1]);
    expect(outputs[0]).toEqual(interpret(fixed, image).y2.data);
  });

  test.each(['two-conv', 'four-term', 'f32-shift'] as const)('%s runs natively and is exact', (strategy) => {
    const model = new Model(compileGraph(fixed, { threads: 1, strategy }), { threads: 1 });
    const feed = { x: { type: 'uint8', data: image.x.data as Uint8Array, dims: [1, 8, 6, 6] } };
    expect(model.strategies.map(({ chosen }) => chosen)).toEqual([strategy, strategy, strategy]);
    expect(model.fallbacks).toEqual([]);
    expect(model.runSync(feed).y2.data).toEqual(interpret(fixed, image).y2.data);
    model.dispose();
  });
});
