/** The order of commands. */
import type { BufferRef, Kernel } from './binding.ts';

interface Ordered {
  readonly kernel?: Kernel['name'];
  readonly buffers: Readonly<Record<string, { readonly fixed: BufferRef | undefined }>>;
}

/**
 * The order in which copies from inputs to outputs come first that nothing before them has written to: a session makes them in the place of
 * copies of its inputs (`take` of session_core.cc). A decoder's past is copied once in this way, into what it returns.
 */
export function copiesFirst(commands: readonly Ordered[]): readonly number[] {
  const written = new Set<object>();
  const [early, others]: [number[], number[]] = [[], []];
  for (const [at, { kernel, buffers }] of commands.entries()) {
    const { source, destination } = buffers;
    const isFromInput = kernel === 'copy' && source.fixed?.space === 'input';
    const isEarly = isFromInput && destination.fixed?.space === 'output' && !written.has(destination);
    if (!isEarly) for (const buffer of Object.values(buffers)) written.add(buffer);
    (isEarly ? early : others).push(at);
  }
  return [...early, ...others];
}
