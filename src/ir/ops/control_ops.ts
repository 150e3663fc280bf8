/** The operators of control flow. */
export { controlIf } from './control_if.op.ts';
export { controlLoop } from './control_loop.op.ts';
export { controlRefuse } from './control_refuse.op.ts';
