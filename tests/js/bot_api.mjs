// The Bot API emulator that is not ours, on a port of this machine; ends with its standard input.
import TelegramServer from 'telegram-test-api';

const Server = TelegramServer.TelegramServer ?? TelegramServer.default ?? TelegramServer;
const server = new Server({ port: Number(process.argv[2]), host: '127.0.0.1', storeTimeout: 600 });
await server.start();
process.stdout.write('ready\n');
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
