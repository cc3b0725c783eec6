// cdk-nag's packs AwsSolutions and Serverless over one plain template.
// node nag.js TEMPLATE FOLDER: writes FOLDER/policy-validation-report.json.
import { App, Stack, Validations } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

const [template, outdir] = process.argv.slice(2);
// One stack has here what nested stacks have in AWS, so the limit of 500 resources says nothing (0: none).
const context = { '@aws-cdk/core:validationReportJson': true, '@aws-cdk/core:stackResourceLimit': 0 };
const app = new App({ outdir, context });
const stack = new Stack(app, 'zebros', { env: { account: '123456789012', region: 'us-east-1' } });
new CfnInclude(stack, 'T', { templateFile: template });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
app.synth();
