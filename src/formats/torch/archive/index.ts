/** PyTorch archives as folders of named byte ranges. */
export { type Archive, isZip, openArchive } from './archive.ts';
