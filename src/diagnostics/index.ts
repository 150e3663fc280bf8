export * from './diagnostic.ts';
export { systemReason } from './system_error.ts';
