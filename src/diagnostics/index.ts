export { closest } from './closest.ts';
export * from './diagnostic.ts';
export { formatBytes } from './format_bytes.ts';
export { checkOptions, type OptionNames } from './options.ts';
export { messageOf, systemCode, systemHint, systemReason } from './system_error.ts';
