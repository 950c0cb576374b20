// Starts `lagc lsp` for `.lag` files and says how to install it where it does not start.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function start() {
  const [command, ...args] = vscode.workspace.getConfiguration("lagc").get("command");
  client = new LanguageClient(
    "lagc",
    "lagc",
    { command, args },
    { documentSelector: [{ language: "lag" }] },
  );
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    vscode.window.showErrorMessage(
      `\`${command} ${args.join(" ")}\` does not start (${error.message}). ` +
        "Install it with `pip install 'lagc[editor]'`, or set `lagc.command`.",
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

async function restart() {
  await stop();
  await start();
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("lagc.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) =>
      change.affectsConfiguration("lagc.command") ? restart() : undefined,
    ),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
