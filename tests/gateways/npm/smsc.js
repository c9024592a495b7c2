"use strict";
// A short message centre made of npm's package `smpp`. It listens on a free port of the loopback and speaks JSON, one
// object a line: on its output what happens, on its input what to do.
//
//     {"is": "listening", "port": 40001}
//     {"is": "bind_transmitter", "system_id": "shop", …}      every PDU, with the fields as the package reads them
//     {"is": "submit_sm", …, "octets": "…", "text": "…"}      the short message: its octets, and the package's reading
//     {"is": "closed"}
//
//     {"do": "answer", "status": 88}                          submissions are answered with this status from now on
//     {"do": "deliver", "fields": {…}, "octets": "…"}         a deliver_sm on the newest connection that receives
//     {"do": "kill", "at": "submit_sm"}                       ends the connection instead of answering that command
//     {"do": "half", "at": "submit_sm"}                       the same after half of the answer
//     {"do": "kill"}                                          ends all connections now

const readline = require("readline");
const smpp = require("smpp");

const doing = { status: 0, kill: null, half: null };
const sessions = [];
let ids = 0;

function say(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

// The package turns octets into text as it reads; they are kept before it does.
const filter = smpp.PDU.prototype._filter;
smpp.PDU.prototype._filter = function (how) {
  if (how === "decode") {
    for (const name of ["short_message", "message_payload"]) {
      if (Buffer.isBuffer(this[name])) this["octets_of_" + name] = Buffer.from(this[name]).toString("hex");
    }
  }
  return filter.call(this, how);
};

function told(pdu) {
  const said = { is: pdu.command };
  for (const [name, value] of Object.entries(pdu)) {
    if (typeof value === "string" || typeof value === "number") said[name] = value;
  }
  said.octets = pdu.octets_of_short_message || "";
  const read = pdu.short_message || {};
  said.text = Buffer.isBuffer(read.message) ? null : read.message;
  said.udh = (read.udh || []).map((element) => element.toString("hex"));
  if (pdu.message_payload) said.payload = pdu.message_payload.message;
  return said;
}

function answer(session, pdu, fields) {
  const made = pdu.response(fields);
  if (doing.kill === pdu.command) {
    session.socket.resetAndDestroy();
  } else if (doing.half === pdu.command) {
    const octets = made.toBuffer();
    session.socket.write(octets.subarray(0, octets.length / 2), () => session.destroy());
  } else {
    session.send(made);
  }
}

const server = smpp.createServer((session) => {
  sessions.push(session);
  session.on("pdu", (pdu) => {
    say(told(pdu));
    if (pdu.command.startsWith("bind_") && !pdu.isResponse()) {
      session.receives = pdu.command !== "bind_transmitter";
      answer(session, pdu, { system_id: "npm" });
    } else if (pdu.command === "submit_sm") {
      ids += 1;
      answer(session, pdu, doing.status ? { command_status: doing.status } : { message_id: `npm-${ids}` });
    } else if (pdu.command === "unbind") {
      answer(session, pdu, {});
      session.close();
    } else if (pdu.command === "enquire_link") {
      answer(session, pdu, {});
    }
  });
  session.on("error", () => {});
  session.on("close", () => {
    sessions.splice(sessions.indexOf(session), 1);
    say({ is: "closed" });
  });
});

const orders = {
  answer: (order) => { doing.status = order.status; },
  deliver: (order) => {
    const to = sessions.filter((session) => session.receives).pop();
    to.deliver_sm({ ...order.fields, short_message: Buffer.from(order.octets, "hex") });
  },
  kill: (order) => {
    if (order.at) doing.kill = order.at;
    else sessions.forEach((session) => session.socket.resetAndDestroy());
  },
  half: (order) => { doing.half = order.at; },
  well: () => { doing.kill = doing.half = null; },
};

readline.createInterface({ input: process.stdin })
  .on("line", (line) => {
    const order = JSON.parse(line);
    orders[order.do](order);
    say({ is: "done", do: order.do });
  })
  .on("close", () => process.exit(0));

server.listen(0, "127.0.0.1", () => say({ is: "listening", port: server.address().port }));
