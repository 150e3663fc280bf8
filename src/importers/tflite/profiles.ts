/**
 * Whose arithmetic the quantized operators of a TensorFlow Lite model follow: that of the delegate that LiteRT runs unless it is
 * told otherwise, and of the kernels behind it for operators that the delegate does not take (`xnnpack`), or that of the
 * reference kernels (`tflite`).
 */
export const tfliteProfiles = ['xnnpack', 'tflite'] as const;
export type TfliteProfile = (typeof tfliteProfiles)[number];
