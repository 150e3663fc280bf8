/** Unit tests import parts of the compiler, which know nothing of the machine: as whatever runs on Node.js they install it. */
import '../../src/runtime/node_platform.ts';
