/** PyTorch archives as folders of named byte ranges. */
export { type Archive, openArchive } from './archive.ts';
export { isZip } from './signature.ts';
