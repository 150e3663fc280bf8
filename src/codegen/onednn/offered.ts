import { systemCode } from '../../diagnostics/index.ts';

/** The result of `create`; undefined where oneDNN has no such primitive, or none that gives right integers. */
export function offered<T>(create: () => T): T | undefined {
  try {
    return create();
  } catch (error) {
    if (systemCode(error) === 'ERR_NO_IMPLEMENTATION') return undefined;
    throw error;
  }
}
