/** Writes docs/cli.md:  npx tsx test/unit/cli/write_reference.ts */
import { writeFileSync } from 'node:fs';
import { commands } from '../../../src/cli/command_table.ts';
import { cliReference } from '../../../src/cli/reference.ts';

writeFileSync(new URL('../../../docs/cli.md', import.meta.url), cliReference(commands));
