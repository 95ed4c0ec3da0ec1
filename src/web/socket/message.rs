//! The messages of the protocol, and the codes that a socket is closed with.

use axum::extract::ws::CloseFrame;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::web::errors::{Body, ErrorBody};

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Incoming {
    /// The first message, with the token.
    ConnectionInit {
        /// May hold the token.
        payload: Option<serde_json::Map<String, Json>>,
    },
    /// Runs an operation.
    Subscribe {
        /// The operation's name on this socket.
        id: String,
        /// What a POST has for its body.
        payload: Json,
    },
    /// Gives an operation up.
    Complete {
        /// The operation's name on this socket.
        id: String,
    },
    /// Asks for a `pong`.
    Ping {
        /// Comes back with the `pong`.
        payload: Option<serde_json::Map<String, Json>>,
    },
    /// Answers a `ping`.
    Pong {},
}

/// What the server sends.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outgoing {
    /// The client is let in.
    ConnectionAck,
    /// Answers a `ping`.
    Pong {
        /// What came with the `ping`.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<serde_json::Map<String, Json>>,
    },
    /// What came of an operation that was executed.
    Next {
        /// The operation's name on this socket.
        id: String,
        /// The data and the errors.
        payload: Body,
    },
    /// An operation was refused, and is over.
    Error {
        /// The operation's name on this socket.
        id: String,
        /// Why.
        payload: Vec<ErrorBody>,
    },
    /// An operation is over.
    Complete {
        /// The operation's name on this socket.
        id: String,
    },
}

impl Outgoing {
    /// The messages that say what came of an operation.
    #[must_use]
    pub fn of(id: String, body: Body) -> Vec<Self> {
        match body.data {
            None => vec![Self::Error { id, payload: body.errors }],
            Some(_) => vec![Self::Next { id: id.clone(), payload: body }, Self::Complete { id }],
        }
    }
}

/// Why a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    code: u16,
    reason: String,
}

impl Ending {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// The server is stopping; the client should connect again.
    #[must_use]
    pub fn going_away() -> Self {
        Self::new(1001, "The server is going away")
    }

    /// A message was longer than allowed.
    #[must_use]
    pub fn too_long() -> Self {
        Self::new(1009, "Message too long")
    }

    /// The client broke the rules of WebSocket itself.
    #[must_use]
    pub fn broken() -> Self {
        Self::new(1002, "Protocol error")
    }

    /// Nothing was heard of the client for too long.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(3008, "Nothing was heard for too long")
    }

    /// A message that the protocol does not know.
    #[must_use]
    pub fn bad_message(reason: &str) -> Self {
        Self::new(4400, reason)
    }

    /// An operation before the connection was acknowledged.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(4401, "Unauthorized")
    }

    /// The token is not valid, or not any more.
    #[must_use]
    pub fn forbidden(reason: &str) -> Self {
        Self::new(4403, reason)
    }

    /// No `connection_init` in time.
    #[must_use]
    pub fn no_init() -> Self {
        Self::new(4408, "Connection initialisation timeout")
    }

    /// The id of an operation that still runs.
    #[must_use]
    pub fn duplicate(id: &str) -> Self {
        Self::new(4409, format!("Subscriber for {id} already exists"))
    }

    /// A second `connection_init`.
    #[must_use]
    pub fn second_init() -> Self {
        Self::new(4429, "Too many initialisation requests")
    }

    /// The token could not be checked; the client should connect again.
    #[must_use]
    pub fn try_again() -> Self {
        Self::new(1013, "Try again later")
    }

    /// The frame to close with.
    #[must_use]
    pub fn frame(&self) -> CloseFrame {
        // A close frame holds 125 bytes, two of them for the code.
        let reason: String = self.reason.chars().filter(char::is_ascii).take(120).collect();
        CloseFrame { code: self.code, reason: reason.into() }
    }
}
