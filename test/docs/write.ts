/** Writes the pages that are made from declarations: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { pages, pathOf } from './pages.ts';

for (const [page, text] of Object.entries(pages)) writeFileSync(pathOf(page), text());
