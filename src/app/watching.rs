//! Documents of subscriptions, run for one event: for whoever keeps such a document and hears of the event by other ways than a socket.

use std::sync::Arc;

use async_graphql::{Response, Variables};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::App;
use crate::access::cost::too_dear;
use crate::access::document::Selection;
use crate::access::documents::Found;
use crate::access::events::{Event, Watching};
use crate::access::{ClientInfo, Operation, Permissions, Scope};
use crate::base::{Code, Error, Result};
use crate::features::NOUNS;

impl App {
    /// The only operation of a text, which must be a subscription.
    fn subscription(&self, text: &str) -> Result<Arc<Selection>> {
        let document = self.prepared(&Found::of_text(text, self.config.documents.document_max_bytes))?;
        let selection = document.selection(None)?;
        if selection.is_subscription() {
            return Ok(selection);
        }
        Err(Error::new(Code::ValidationError, "The document must be a subscription, such as `subscription { changed { kind noun id } }`."))
    }
}

impl Watching for App {
    fn answer<'a>(&'a self, scope: Scope, text: &'a str, mut variables: Variables, event: &'a Event) -> BoxFuture<'a, Result<Option<Response>>> {
        async move {
            let selection = self.subscription(text)?;
            selection.check_variables(&variables)?;
            selection.fill_in(&mut variables);
            let client = ClientInfo { ip: None, request_id: Arc::clone(&scope.request_id) };
            let event = Some(Arc::new(event.clone()));
            let operation = Operation::watching(self.services.clone(), Some(scope), selection, client, event);
            Ok(self.api.answer(&operation, variables).await)
        }
        .boxed()
    }

    fn check(&self, text: &str, permissions: Permissions) -> Result<()> {
        let selection = self.subscription(text)?;
        let mut variables = Variables::default();
        selection.check_variables(&variables)?;
        selection.fill_in(&mut variables);
        let (price, most) = (selection.price().points(&variables), self.config.documents.document_max_cost);
        if price > most {
            return Err(too_dear(price, most));
        }
        // The rules of validation wait for nothing.
        let wrong = self.api.validate(&selection).now_or_never().ok_or_else(|| Error::internal("a document was not validated at once"))?;
        if let Some(wrong) = wrong.first() {
            return Err(Error::new(Code::ValidationError, format!("The document is not valid: {}", wrong.message)));
        }
        let noun = NOUNS.iter().find(|noun| selection.root_fields().iter().any(|field| field == noun.field));
        match noun {
            Some(noun) if !permissions.has(noun.read) => {
                let message = format!("The permission `{}` is lacking, without which `{}` tells nothing.", noun.read.code(), noun.field);
                Err(Error::new(Code::InsufficientPermissions, message))
            }
            _ => Ok(()),
        }
    }
}
