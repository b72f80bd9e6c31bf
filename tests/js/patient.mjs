// A patient's Matrix client that is not ours: matrix-js-sdk with its Rust crypto and strict device isolation.
//
// One JSON object a line. In: {"id": 1, "cmd": "send", ...}. Out: {"id": 1, "ok": ...} or {"id": 1, "error": "..."}.
// The keys live in memory: every start is a new device. The SDK's own chatter goes to stderr when PLI_JS_LOG is set.

import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { createInterface } from "node:readline";

const chatter = process.env.PLI_JS_LOG ? (...what) => process.stderr.write(what.join(" ") + "\n") : () => {};
for (const level of ["trace", "debug", "log", "info", "warn", "error"]) console[level] = chatter;

// The SDK asks for Node 22. Of that it uses here one function which Node 20 lacks; without it the sync stops silently.
Promise.withResolvers ??= function withResolvers() {
  let resolve, reject;
  const promise = new this((yes, no) => ((resolve = yes), (reject = no)));
  return { promise, resolve, reject };
};

const sdk = await import("matrix-js-sdk");
const { KeysQueryRequest, UserId } = await import("@matrix-org/matrix-sdk-crypto-wasm");
const { OnlySignedDevicesIsolationMode } = await import("matrix-js-sdk/lib/crypto-api/index.js");

let client = null;
let crypto = null;
const seen = [];

const since = (start) => Math.round(performance.now() - start);

async function login({ url, user, password, cross_sign = true }) {
  const start = performance.now();
  const session = await sdk.createClient({ baseUrl: url }).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user },
    password,
    initial_device_display_name: "phone",
  });
  const loginMs = since(start);
  client = sdk.createClient({
    baseUrl: url,
    userId: session.user_id,
    deviceId: session.device_id,
    accessToken: session.access_token,
  });
  await client.initRustCrypto({ useIndexedDB: false });
  crypto = client.getCrypto();
  crypto.setDeviceIsolationMode(new OnlySignedDevicesIsolationMode());
  queriesWaitTheirTurn();
  const cryptoMs = since(start);
  client.on(sdk.RoomEvent.Timeline, (event, room, toStart) => {
    if (!toStart && room) seen.push(event);
  });
  await client.startClient({ initialSyncLimit: 100, pendingEventOrdering: sdk.PendingEventOrdering.Detached });
  await firstSync();
  const syncMs = since(start);
  if (cross_sign) {
    // The homeserver asks for no password the first time; where it does, the patient's is known here.
    await newIdentity({ authUploadDeviceSigningKeys: withPassword(session.user_id, password) });
  }
  return {
    user: session.user_id,
    device: session.device_id,
    ms: { login: loginMs, crypto: cryptoMs, first_sync: syncMs, ready: since(start) },
  };
}

function withPassword(user, password) {
  return async (request) => {
    try {
      return await request(null);
    } catch (error) {
      const session = error?.data?.session;
      if (!session) throw error;
      const identifier = { type: "m.id.user", user };
      return await request({ type: "m.login.password", identifier, password, session });
    }
  };
}

// One after the other: questions about keys, and making and publishing keys of one's own. The SDK throws the new
// private keys away for good where an answer of the homeserver names the old ones, and so does the answer to a question
// that was asked before the new ones were published and comes after they were made.
let turn = Promise.resolve();

function inTurn(work) {
  const done = turn.then(work);
  turn = done.catch(() => {});
  return done;
}

function queriesWaitTheirTurn() {
  const processor = crypto.outgoingRequestProcessor;
  const make = processor.makeOutgoingRequest.bind(processor);
  processor.makeOutgoingRequest = (request, ...rest) =>
    request instanceof KeysQueryRequest ? inTurn(() => make(request, ...rest)) : make(request, ...rest);
}

// Behind the public interface: the SDK asks anew only about those with whom it shares a room, when a sync told it to.
const askAbout = (user) =>
  crypto.outgoingRequestProcessor.makeOutgoingRequest(crypto.olmMachine.queryKeysForUsers([new UserId(user)]));

async function newIdentity(options) {
  await inTurn(() => crypto.bootstrapCrossSigning(options));
  await askAbout(client.getUserId());
  if (!(await crypto.getCrossSigningKeyId())) throw new Error("the homeserver shows another identity");
}

// A room is ready once its state has come and the SDK, which does that later, can encrypt for it. Before that a send
// goes out in clear or fails.
async function synced(id) {
  const ready = (room) =>
    room?.getMyMembership() === "join" &&
    room.currentState.getStateEvents("m.room.create", "") !== null &&
    (!room.hasEncryptionStateEvent() || crypto.roomEncryptors[id] !== undefined);
  await eventually(async () => ready(client.getRoom(id)), "the room's state");
  return id;
}

async function eventually(probe, what) {
  for (let tries = 0; tries < 200; tries++) {
    if (await probe()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited in vain for ${what}`);
}

function firstSync() {
  return new Promise((resolve, reject) => {
    client.on(sdk.ClientEvent.Sync, function listen(state, _previous, data) {
      if (state === "PREPARED") resolve();
      else if (state === "ERROR") reject(data?.error ?? new Error("sync failed"));
      else return;
      client.off(sdk.ClientEvent.Sync, listen);
    });
  });
}

async function describe(event, index) {
  const content = event.getContent();
  const encrypted = event.isEncrypted();
  const decrypted = encrypted && !event.isDecryptionFailure() && event.getType() !== "m.room.encrypted";
  const shield = decrypted && !event.isRedacted() ? await crypto.getEncryptionInfoForEvent(event) : null;
  const push = client.getPushActionsForEvent(event, true);
  return {
    index,
    room: event.getRoomId(),
    event: event.getId(),
    type: event.getType(),
    sender: event.getSender(),
    at: event.getTs(),
    msgtype: content.msgtype ?? null,
    body: content.body ?? null,
    content,
    encrypted,
    decrypted,
    failure: event.isDecryptionFailure() ? event.decryptionFailureReason : null,
    shield: shield?.shieldReason ?? null,
    redacted: event.isRedacted(),
    wire_size: event.getWireContent()?.ciphertext?.length ?? null,
    notify: event.getSender() !== client.getUserId() && !!push?.notify,
    sound: push?.tweaks?.sound ?? null,
  };
}

function rooms(membership) {
  return client
    .getRooms()
    .filter((room) => room.getMyMembership() === membership)
    .map((room) => ({
      room: room.roomId,
      name: room.name,
      encrypted: room.hasEncryptionStateEvent(),
      members: room.getMembers().map((member) => [member.userId, member.membership]),
    }));
}

const unpadded = (bytes) => bytes.toString("base64").replace(/=+$/, "");
const sha256 = (bytes) => unpadded(createHash("sha256").update(bytes).digest());

// An attachment as the specification has it (v2). `lies` replaces what the event says of it.
async function sendFile({ room, name, type, data, lies = {} }) {
  const plain = Buffer.from(data, "base64");
  const [key, iv] = [randomBytes(32), Buffer.concat([randomBytes(8), Buffer.alloc(8)])];
  const cipher = createCipheriv("aes-256-ctr", key, iv);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  const blob = new Blob([sealed]);
  const { content_uri } = await client.uploadContent(blob, { type: "application/octet-stream", includeFilename: false });
  const jwk = { kty: "oct", alg: "A256CTR", ext: true, k: key.toString("base64url"), key_ops: ["encrypt", "decrypt"] };
  const content = {
    msgtype: lies.msgtype ?? "m.file",
    body: name,
    info: { mimetype: type, size: lies.size ?? plain.length },
    file: {
      v: "v2",
      url: content_uri,
      key: jwk,
      iv: unpadded(iv),
      hashes: { sha256: lies.sha256 ?? sha256(sealed) },
    },
  };
  return (await client.sendEvent(room, "m.room.message", content)).event_id;
}

async function readFile({ event }) {
  const { file } = seen.find((each) => each.getId() === event).getContent();
  const url = client.mxcUrlToHttp(file.url, undefined, undefined, undefined, false, true, true);
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });
  if (!answer.ok) throw new Error(`the homeserver answered ${answer.status}`);
  const sealed = Buffer.from(await answer.arrayBuffer());
  if (sha256(sealed) !== file.hashes.sha256) throw new Error("another hash");
  const cipher = createDecipheriv("aes-256-ctr", Buffer.from(file.key.k, "base64url"), Buffer.from(file.iv, "base64"));
  return Buffer.concat([cipher.update(sealed), cipher.final()]).toString("base64");
}

const commands = {
  login,
  send_file: sendFile,
  read_file: readFile,
  invites: () => rooms("invite"),
  rooms: () => rooms("join"),
  join: async ({ room }) => synced((await client.joinRoom(room)).roomId),
  leave: async ({ room }) => void (await client.leave(room)),
  create_dm: async ({ user }) => {
    const { room_id } = await client.createRoom({
      preset: sdk.Preset.PrivateChat,
      is_direct: true,
      invite: [user],
      initial_state: [
        { type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } },
      ],
    });
    return await synced(room_id);
  },
  send: async ({ room, text }) =>
    (await client.sendMessage(room, { msgtype: sdk.MsgType.Text, body: text })).event_id,
  send_raw: async ({ room, type, content }) => (await client.sendEvent(room, type, content)).event_id,
  send_clear: async ({ room, type, content }) => {
    // Past the SDK, which would encrypt: what a broken or hostile client puts into an encrypted room.
    const path = `/rooms/${encodeURIComponent(room)}/send/${encodeURIComponent(type)}/${client.makeTxnId()}`;
    return (await client.http.authedRequest("PUT", path, undefined, content)).event_id;
  },
  redact: async ({ room, event }) => (await client.redactEvent(room, event)).event_id,
  read: async ({ since: first }) => {
    const found = [];
    for (let index = first; index < seen.length; index++) found.push(await describe(seen[index], index));
    return found;
  },
  identity: async () => ({
    user: client.getUserId(),
    device: client.getDeviceId(),
    ed25519: (await crypto.getOwnDeviceKeys()).ed25519,
    curve25519: (await crypto.getOwnDeviceKeys()).curve25519,
    master: await crypto.getCrossSigningKeyId(),
  }),
  devices_of: async ({ user }) => {
    await askAbout(user);
    const devices = (await crypto.getUserDeviceInfo([user], true)).get(user) ?? new Map();
    const statuses = await Promise.all(
      [...devices.keys()].map(async (device) => {
        const status = await crypto.getDeviceVerificationStatus(user, device);
        return [device, !!status?.signedByOwner];
      }),
    );
    return Object.fromEntries(statuses);
  },
  sign_device: async ({ device }) => {
    await askAbout(client.getUserId());
    await crypto.crossSignDevice(device);
  },
  reset_identity: async ({ password }) => {
    await newIdentity({
      setupNewCrossSigning: true,
      authUploadDeviceSigningKeys: withPassword(client.getUserId(), password),
    });
  },
  set_pusher: async ({ url, event_id_only = false }) => {
    await client.setPusher({
      kind: "http",
      app_id: "pli.test",
      app_display_name: "test",
      device_display_name: "phone",
      pushkey: client.getDeviceId(),
      lang: "fr",
      data: event_id_only ? { url, format: "event_id_only" } : { url },
    });
  },
  logout: async () => {
    client.stopClient();
    await client.logout(true);
  },
};

const answer = (line) => process.stdout.write(JSON.stringify(line) + "\n");

process.on("unhandledRejection", (error) => chatter("unhandled", error?.stack ?? error));

answer({ id: 0, ok: "ready" });
const input = createInterface({ input: process.stdin });
input.on("line", async (line) => {
  const { id, cmd, ...parameters } = JSON.parse(line);
  try {
    if (!Object.hasOwn(commands, cmd)) throw new Error(`no such command: ${cmd}`);
    answer({ id, ok: (await commands[cmd](parameters)) ?? null });
  } catch (error) {
    chatter(error?.stack ?? error);
    answer({ id, error: `${error?.errcode ?? ""} ${error?.message ?? error}`.trim() });
  }
});
input.on("close", () => {
  client?.stopClient();
  process.exit(0);
});
