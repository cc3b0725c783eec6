// cdk-nag's packs AwsSolutions and Serverless over one plain template.
// node nag.js TEMPLATE FOLDER: writes FOLDER/policy-validation-report.json.
import { App, Stack, Validations } from 'aws-cdk-lib';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';

const [template, outdir] = process.argv.slice(2);
const app = new App({ outdir, context: { '@aws-cdk/core:validationReportJson': true } });
const stack = new Stack(app, 'zebros', { env: { account: '123456789012', region: 'us-east-1' } });
new CfnInclude(stack, 'T', { templateFile: template });
Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
app.synth();
