// SPDX-License-Identifier: Apache-2.0
// Drives one of the published MCP servers with the official client, for mcp_servers.py:
//
//   node mcp_client.mjs SDK SERVER DIR COMMAND ARG…
//
// SDK is a directory in whose node_modules the client is, SERVER says which list of calls holds, DIR is one that the
// server may write. Every tool that the server lists must be called and must give what is expected; a tool that
// has no call here is a failure, so that a new one is not passed over. What went wrong is printed, one a line.
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';

const [sdk, server, dir, command, ...args] = process.argv.slice(2);
const require = createRequire(sdk + '/');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
const types = require('@modelcontextprotocol/sdk/types.js');
const { InMemoryTaskStore } = require('@modelcontextprotocol/sdk/experimental/tasks');

const failures = [];
const called = new Set();
const asked = new Set(); // what the server asked of the client

function must(holds, text) {
  if (!holds) failures.push(text);
}

const client = new Client({ name: 'bawn-test', version: '1' },
  { taskStore: new InMemoryTaskStore(), capabilities: { roots: {}, sampling: {}, elicitation: { form: {}, url: {} },
    tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } } } });

client.setRequestHandler(types.ListRootsRequestSchema, () => {
  asked.add('roots');
  return { roots: [{ uri: 'file://' + dir, name: 'granted' }] };
});
client.setRequestHandler(types.CreateMessageRequestSchema, (request, extra) => {
  asked.add('sampling');
  return answer(request, extra, { model: 'none', role: 'assistant', content: { type: 'text', text: 'sampled' } });
});
client.setRequestHandler(types.ElicitRequestSchema, (request, extra) => {
  asked.add('elicitation');
  return answer(request, extra, { action: 'decline' });
});

// At once, or as a task when the server wants one.
async function answer(request, extra, result) {
  if (!request.params.task) return result;
  const task = await extra.taskStore.createTask({ ttl: 60000, pollInterval: 50 });
  setTimeout(() => extra.taskStore.storeTaskResult(task.taskId, 'completed', result), 50);
  return { task };
}

function text(result) {
  return result.content.map(c => c.text ?? c.resource?.text ?? '').join('\n');
}

async function call(name, params, expected) {
  called.add(name);
  try {
    const result = await client.callTool({ name, arguments: params }, undefined, { timeout: 20000 });
    must(!result.isError, `${name}: ${text(result)}`);
    must(expected === undefined || (typeof expected === 'function' ? expected(result) : text(result).includes(expected)),
      `${name}: expected ${expected}, got ${JSON.stringify(result).slice(0, 300)}`);
    return result;
  } catch (e) {
    failures.push(`${name}: ${e.message}`);
  }
}

async function filesystem() {
  const file = dir + '/a.txt', png = dir + '/dot.png';
  await call('list_allowed_directories', {}, dir);
  await call('create_directory', { path: dir + '/sub/deep' });
  await call('write_file', { path: file, content: 'one\ntwo\n' });
  await call('read_text_file', { path: file, head: 1 }, 'one');
  await call('read_file', { path: file }, 'two');
  await call('edit_file', { path: file, edits: [{ oldText: 'two', newText: 'three' }] }, 'three');
  must(readFileSync(file, 'utf8') === 'one\nthree\n', 'edit_file: the host does not have what was written');
  await call('read_media_file', { path: png }, r => r.content[0].mimeType === 'image/png');
  await call('move_file', { source: file, destination: dir + '/sub/b.txt' });
  await call('read_multiple_files', { paths: [dir + '/sub/b.txt', png] }, 'three');
  await call('list_directory', { path: dir }, '[DIR] sub');
  await call('list_directory_with_sizes', { path: dir, sortBy: 'size' }, 'dot.png');
  await call('directory_tree', { path: dir }, 'deep');
  await call('search_files', { path: dir, pattern: '**/b.txt' }, 'b.txt');
  await call('get_file_info', { path: dir + '/sub/b.txt' }, 'size: 10');
}

async function memory() {
  const person = { name: 'Ann', entityType: 'person', observations: ['reads'] };
  const knows = { from: 'Ann', to: 'Bob', relationType: 'knows' };
  await call('create_entities', { entities: [person, { name: 'Bob', entityType: 'person', observations: [] }] }, 'Ann');
  await call('create_relations', { relations: [knows] }, 'knows');
  await call('add_observations', { observations: [{ entityName: 'Ann', contents: ['writes'] }] }, 'writes');
  await call('search_nodes', { query: 'writes' }, 'Ann');
  await call('open_nodes', { names: ['Bob'] }, 'Bob');
  await call('delete_observations', { deletions: [{ entityName: 'Ann', observations: ['reads'] }] });
  await call('delete_relations', { relations: [knows] });
  await call('delete_entities', { entityNames: ['Bob'] });
  await call('read_graph', {}, r => text(r).includes('writes') && !text(r).includes('Bob') && !text(r).includes('reads'));
  for (const r of (await client.listResources()).resources)
    must((await client.readResource({ uri: r.uri })).contents[0].text.includes('Ann'), `resource ${r.uri}`);
}

async function everything() {
  await call('echo', { message: 'grüße ☃' }, 'grüße ☃');
  await call('get-sum', { a: 2, b: 40 }, '42');
  await call('get-env', {}, 'PATH');
  await call('get-tiny-image', {}, r => r.content.some(c => c.type === 'image'));
  await call('get-annotated-message', { messageType: 'error', includeImage: true }, r => r.content[0].annotations);
  await call('get-structured-content', { location: 'Chicago' }, r => r.structuredContent);
  await call('get-resource-links', { count: 2 }, r => r.content.filter(c => c.type === 'resource_link').length === 2);
  await call('get-resource-reference', { resourceType: 'Text', resourceId: 1 }, 'esource');
  await call('trigger-long-running-operation', { duration: 0.2, steps: 2 }, 'completed');
  await call('toggle-simulated-logging', {}, 'Started');
  await call('toggle-simulated-logging', {}, 'Stopped');
  await call('toggle-subscriber-updates', {}, 'Started');
  await call('toggle-subscriber-updates', {}, 'Stopped');
  const zipped = await call('gzip-file-as-resource',
    { name: 'x.gz', data: 'data:text/plain,squeezed', outputType: 'resource' });
  must(zipped && gunzipSync(Buffer.from(zipped.content[0].resource.blob, 'base64')).toString() === 'squeezed', 'gzip');
  await call('get-roots-list', {}, dir);
  await call('trigger-sampling-request', { prompt: 'p' }, 'sampled');
  await call('trigger-elicitation-request', {}, 'decline');
  await call('trigger-url-elicitation', { url: 'https://example.org/' });
  await research();
  await call('trigger-sampling-request-async', { prompt: 'p' }, 'sampled');
  await call('trigger-elicitation-request-async', {}, 'decline');
  for (const what of ['roots', 'sampling', 'elicitation'])
    must(asked.has(what), `the server never asked for ${what}`);
  await resources();
  await prompts();
}

async function research() { // a tool that runs as a task
  called.add('simulate-research-query');
  let last;
  for await (const m of client.experimental.tasks.callToolStream(
    { name: 'simulate-research-query', arguments: { topic: 'bees' } }, types.CallToolResultSchema)) last = m;
  must(last?.type === 'result' && text(last.result).includes('bees'),
    `simulate-research-query: ${JSON.stringify(last).slice(0, 300)}`);
}

async function resources() {
  const listed = (await client.listResources()).resources;
  must(listed.length, 'no resources');
  for (const r of listed) {
    const c = (await client.readResource({ uri: r.uri })).contents[0];
    must(c.text || c.blob, `resource ${r.uri} is empty`);
  }
  const templates = (await client.listResourceTemplates()).resourceTemplates;
  must(templates.length, 'no resource templates');
  for (const t of templates) {
    const c = (await client.readResource({ uri: t.uriTemplate.replace(/\{[^}]*\}/, '1') })).contents[0];
    must(c.text || c.blob, `resource template ${t.uriTemplate} gives nothing`);
  }
  await client.subscribeResource({ uri: listed[0].uri });
  await client.unsubscribeResource({ uri: listed[0].uri });
}

async function prompts() {
  const values = { city: 'Cork', department: 'Engineering', name: 'Alice', resourceType: 'Text', resourceId: '1' };
  const listed = (await client.listPrompts()).prompts;
  must(listed.length, 'no prompts');
  for (const p of listed) {
    const needed = (p.arguments ?? []).filter(a => a.required).map(a => [a.name, values[a.name] ?? '1']);
    const r = await client.getPrompt({ name: p.name, arguments: Object.fromEntries(needed) });
    must(r.messages.length, `prompt ${p.name} has no messages`);
  }
}

const transport = new StdioClientTransport({ command, args, env: process.env, stderr: 'inherit' });
transport.onerror = e => failures.push(`not a message on stdout: ${e.message}`);
await client.connect(transport);
await new Promise(done => setTimeout(done, 300)); // some tools appear once the server knows the client
const tools = (await client.listTools()).tools.map(t => t.name);
must(tools.length, 'no tools');
await { filesystem, memory, everything }[server]();
for (const t of (await client.listTools()).tools)
  must(called.has(t.name), `the tool ${t.name} is not called by this test`);
const began = Date.now();
await client.close();
// The client closes the server's input and gives it two seconds. The everything server does not end by that, with or
// without bawn: there the client's SIGTERM must do it, which a process that is left over would tell.
must(server === 'everything' || Date.now() - began < 1900, 'the server did not end with its input; the client had to kill it');
console.log(JSON.stringify({ tools, failures }));
process.exit(failures.length ? 1 : 0);
