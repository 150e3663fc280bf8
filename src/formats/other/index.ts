/** Files that are not models unskew reads. */
export { folderHint, looksLike, type OtherFormat, signatureOf, TEXT, zipLooksLike } from './other_formats.ts';
