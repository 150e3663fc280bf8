/** The services that the compiler needs from the machine it runs on. */
export { base64Of, bytesOfBase64 } from './base64.ts';
export { crc32 } from './crc32.ts';
export { installPlatform, type Platform, platform, type Zip, type ZipDirectory, type ZipEntry } from './platform.ts';
export { sha256 } from './sha256.ts';
