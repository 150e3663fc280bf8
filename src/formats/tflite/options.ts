/** Options of operators: the tables of the union BuiltinOptions of TensorFlow Lite's schema that have fields, by their number in it. */
import { bool, field, float32, int8, int32, numbers, type TableType, table, word } from './fields.ts';
import { tensorType } from './schema.ts';

export interface OptionsType<R> {
  /** The number in the union; 0 where the operator has no options. */
  readonly number: number;
  readonly table: TableType<R>;
}

const options = <R>(number: number, type: TableType<R>): OptionsType<R> => ({ number, table: type });

const padding = word(['SAME', 'VALID'] as const);
export const activations = ['NONE', 'RELU', 'RELU_N1_TO_1', 'RELU6', 'TANH', 'SIGN_BIT'] as const;
export type Activation = (typeof activations)[number];
const activation = word(activations);
const windows = {
  padding: field(0, padding, 'SAME'),
  strideW: field(1, int32, 0),
  strideH: field(2, int32, 0),
} as const;
const fused = { activation: field(0, activation, 'NONE') } as const;

export const noOptions = options(0, table({}));
export const conv2dOptions = options(
  1,
  table({
    ...windows,
    activation: field(3, activation, 'NONE'),
    dilationW: field(4, int32, 1),
    dilationH: field(5, int32, 1),
  }),
);
export const depthwiseConv2dOptions = options(
  2,
  table({
    ...windows,
    depthMultiplier: field(3, int32, 0),
    activation: field(4, activation, 'NONE'),
    dilationW: field(5, int32, 1),
    dilationH: field(6, int32, 1),
  }),
);
export const pool2dOptions = options(
  5,
  table({
    ...windows,
    filterWidth: field(3, int32, 0),
    filterHeight: field(4, int32, 0),
    activation: field(5, activation, 'NONE'),
  }),
);
export const svdfOptions = options(
  6,
  table({
    rank: field(0, int32, 0),
    activation: field(1, activation, 'NONE'),
    asymmetricQuantizeInputs: field(2, bool, false),
  }),
);
export const fullyConnectedOptions = options(
  8,
  table({
    activation: field(0, activation, 'NONE'),
    /** 1: shuffled for old ARM kernels. */
    weightsFormat: field(1, int8, 0),
    keepNumDims: field(2, bool, false),
    asymmetricQuantizeInputs: field(3, bool, false),
  }),
);
export const softmaxOptions = options(9, table({ beta: field(0, float32, 0) }));
export const concatenationOptions = options(
  10,
  table({ axis: field(0, int32, 0), activation: field(1, activation, 'NONE') }),
);
export const addOptions = options(11, table({ ...fused, potScaleInt16: field(1, bool, true) }));
export const l2NormOptions = options(12, table(fused));
export const localResponseNormalizationOptions = options(
  13,
  table({
    radius: field(0, int32, 0),
    bias: field(1, float32, 0),
    alpha: field(2, float32, 0),
    beta: field(3, float32, 0),
  }),
);
export const resizeBilinearOptions = options(
  15,
  table({ alignCorners: field(2, bool, false), halfPixelCenters: field(3, bool, false) }),
);
export const reshapeOptions = options(17, table({ newShape: field(0, numbers('int32')) }));
export const spaceToDepthOptions = options(19, table({ blockSize: field(0, int32, 0) }));
export const mulOptions = options(21, table(fused));
export const gatherOptions = options(23, table({ axis: field(0, int32, 0), batchDims: field(1, int32, 0) }));
export const reducerOptions = options(27, table({ keepDims: field(0, bool, false) }));
export const subOptions = options(28, table({ ...fused, potScaleInt16: field(1, bool, true) }));
export const divOptions = options(29, table(fused));
export const squeezeOptions = options(30, table({ squeezeDims: field(0, numbers('int32'), []) }));
export const stridedSliceOptions = options(
  32,
  table({
    beginMask: field(0, int32, 0),
    endMask: field(1, int32, 0),
    ellipsisMask: field(2, int32, 0),
    newAxisMask: field(3, int32, 0),
    shrinkAxisMask: field(4, int32, 0),
    offset: field(5, bool, false),
  }),
);
export const splitOptions = options(35, table({ numSplits: field(0, int32, 0) }));
export const castOptions = options(
  37,
  table({ inDataType: field(0, tensorType, 'FLOAT32'), outDataType: field(1, tensorType, 'FLOAT32') }),
);
export const argMaxOptions = options(40, table({ outputType: field(0, tensorType, 'FLOAT32') }));
export const transposeConvOptions = options(49, table({ ...windows, activation: field(3, activation, 'NONE') }));
export const shapeOptions = options(55, table({ outType: field(0, tensorType, 'FLOAT32') }));
export const argMinOptions = options(57, table({ outputType: field(0, tensorType, 'FLOAT32') }));
export const fakeQuantOptions = options(
  58,
  table({
    min: field(0, float32, 0),
    max: field(1, float32, 0),
    bits: field(2, int32, 0),
    isNarrow: field(3, bool, false),
  }),
);
export const packOptions = options(59, table({ valuesCount: field(0, int32, 0), axis: field(1, int32, 0) }));
export const oneHotOptions = options(61, table({ axis: field(0, int32, 0) }));
export const unpackOptions = options(64, table({ num: field(0, int32, 0), axis: field(1, int32, 0) }));
export const unidirectionalSequenceLstmOptions = options(
  71,
  table({
    activation: field(0, activation, 'NONE'),
    cellClip: field(1, float32, 0),
    projClip: field(2, float32, 0),
    timeMajor: field(3, bool, false),
    asymmetricQuantizeInputs: field(4, bool, false),
    diagonalRecurrentTensors: field(5, bool, false),
  }),
);
export const resizeNearestNeighborOptions = options(
  74,
  table({ alignCorners: field(0, bool, false), halfPixelCenters: field(1, bool, false) }),
);
export const leakyReluOptions = options(75, table({ alpha: field(0, float32, 0) }));
export const mirrorPadOptions = options(
  77,
  table({ mode: field(0, word(['REFLECT', 'SYMMETRIC'] as const), 'REFLECT') }),
);
export const splitVOptions = options(79, table({ numSplits: field(0, int32, 0) }));
export const depthToSpaceOptions = options(94, table({ blockSize: field(0, int32, 0) }));
export const batchMatMulOptions = options(
  101,
  table({
    adjX: field(0, bool, false),
    adjY: field(1, bool, false),
    asymmetricQuantizeInputs: field(2, bool, false),
  }),
);
export const cumsumOptions = options(102, table({ exclusive: field(0, bool, false), reverse: field(1, bool, false) }));
/** The options of CONV_3D and CONV_3D_TRANSPOSE. */
export const conv3dOptions = options(
  106,
  table({
    padding: field(0, padding, 'SAME'),
    strideD: field(1, int32, 0),
    strideW: field(2, int32, 0),
    strideH: field(3, int32, 0),
    activation: field(4, activation, 'NONE'),
    dilationD: field(5, int32, 1),
    dilationW: field(6, int32, 1),
    dilationH: field(7, int32, 1),
  }),
);
export const geluOptions = options(116, table({ approximate: field(0, bool, false) }));
