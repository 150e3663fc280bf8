/** Recurrent layers, whose steps all have the length of the whole: no lengths by element of the batch. */
import type { nnGru, nnLstm, qnnDynamicLstm } from '../../../ir/index.ts';
import { zeros } from '../../../tensors/index.ts';
import type { NodeEmitter } from '../node_emitter.ts';
import { int, text, type Written } from '../node_writer.ts';

type Layer = NodeEmitter<typeof nnLstm> | NodeEmitter<typeof nnGru>;

function common(e: Layer) {
  const { x, w, r, bias, h, attrs } = e.view;
  e.since(7, e.node.op);
  return {
    inputs: [e.value(x), e.value(w), e.value(r), e.value(bias), '', e.value(h)],
    attributes: { hidden_size: int(Number(e.typeOf(r).shape[2])), direction: text(attrs.direction) },
  };
}

export function lstm(e: NodeEmitter<typeof nnLstm>): Written {
  const { inputs, attributes } = common(e);
  return e.finish('LSTM', [...inputs, e.value(e.view.c)], attributes);
}

/** ONNX itself has no such layer. */
export function dynamicLstm(e: NodeEmitter<typeof qnnDynamicLstm>): Written {
  const { x, w, r, sw, sr, zw, zr, bias, h, c, attrs } = e.view;
  const hidden = Number(e.typeOf(r).shape[1]);
  const zero = (of: typeof zw, weights: typeof w, scale: typeof sw) => {
    if (of) return e.value(of);
    // the sizes of the scale, some of which its type may leave open
    const sizes = [attrs.direction === 'bidirectional' ? 2 : 1, 4 * hidden].slice(0, e.typeOf(scale).shape.length);
    return e.constant(zeros(e.typeOf(weights).dtype, sizes), `${e.node.id}.zero_point`);
  };
  const layer = [e.value(x), e.value(w), e.value(r), e.value(bias), '', e.value(h), e.value(c), ''];
  const quantization = [e.value(sw), zero(zw, w, sw), e.value(sr), zero(zr, r, sr)];
  const attributes = { hidden_size: int(hidden), direction: text(attrs.direction) };
  return e.finish('DynamicQuantizeLSTM', [...layer, ...quantization], attributes, 'com.microsoft');
}

export function gru(e: NodeEmitter<typeof nnGru>): Written {
  const { inputs, attributes } = common(e);
  return e.finish('GRU', inputs, { ...attributes, linear_before_reset: int(Number(e.view.attrs.linearBeforeReset)) });
}
