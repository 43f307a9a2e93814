// Run by `npm run schema`: writes the schema that editors read from the one that the program reads.
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {configsJsonSchemaText} from './json-schema.ts';
import {packageRoot} from './package-root.ts';

writeFileSync(join(packageRoot(), 'configs', 'configs.schema.json'), configsJsonSchemaText());
