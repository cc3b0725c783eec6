// asl-validator over one definition: prints its findings as JSON.
import { readFileSync } from 'node:fs';
import validator from 'asl-validator';

const definition = JSON.parse(readFileSync(process.argv[2], 'utf-8'));
const { errors } = validator(definition, { checkPaths: true, checkArn: false });
console.log(JSON.stringify(errors.map((one) => one.Message ?? one.message ?? JSON.stringify(one))));
