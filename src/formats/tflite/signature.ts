const SIGNATURE = 'TFL3';

export const isTflite = (bytes: Uint8Array): boolean =>
  bytes.length >= 8 && [...SIGNATURE].every((letter, i) => bytes[4 + i] === letter.charCodeAt(0));
