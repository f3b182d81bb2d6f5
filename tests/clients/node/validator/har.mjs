// Whether a file is an HTTP archive, by the schemas of npm's har-validator.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const require = createRequire(join(process.env.SPUR_NODE_MODULES, 'x.js'));
const validator = require('har-validator/lib/promise');

const archive = JSON.parse(readFileSync(process.argv[2]));
try {
    await validator.har(archive);
} catch (error) {
    console.error(JSON.stringify(error.errors ?? error.message, null, 1));
    process.exit(1);
}
console.log(`valid: ${archive.log.pages.length} pages, ${archive.log.entries.length} entries`);
