import { fileSchema } from '../src/cli/apply/file-schema.ts';
import { writeOrCheck } from './generated-file.ts';

writeOrCheck('docs/reference/ringback-settings.schema.json', `${JSON.stringify(fileSchema(), null, 2)}\n`);
