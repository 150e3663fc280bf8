/** Every page of docs/ that is made from declarations. */
import { cliPage } from './cli_page.ts';
import { diagnosticsPage } from './diagnostics_page.ts';
import { operatorsPage } from './operators_page.ts';
import { performancePage } from './performance_page.ts';
import { rulesPage } from './rules_page.ts';

export const pages: Readonly<Record<string, () => string>> = {
  'cli.md': cliPage,
  'diagnostics.md': diagnosticsPage,
  'operators.md': operatorsPage,
  'performance.md': performancePage,
  'rules.md': rulesPage,
};

export const pathOf = (page: string): URL => new URL(`../../docs/${page}`, import.meta.url);
