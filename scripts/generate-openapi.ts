import { openApi } from '../src/api/openapi.ts';
import { readVersion } from '../src/app/version.ts';
import { writeOrCheck } from './generated-file.ts';

writeOrCheck('docs/reference/openapi.json', `${JSON.stringify(openApi(readVersion()), null, 2)}\n`);
