//! Loaders: what many parents ask for one by one is read in one statement.
//!
//! One set for each operation and snapshot, never shared between callers. The `dataloader` crate keeps what was read; this module takes care of
//! its sharp edges: keys are gathered until no sibling asks any more, however many there are; the operation itself runs the statement, so that a
//! waiting field that is dropped does not take the others' answer with it; every key gets an answer, so that a missing row is `None` and not a
//! panic; and a failure reaches everyone who waited.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt::{self, Debug};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use dataloader::BatchFn;
use dataloader::cached::Loader;
use futures_util::FutureExt;
use futures_util::future::{Shared, try_join_all};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::access::operation::Reader;
use crate::access::same::{Same, SameArguments};
use crate::access::turns::Turns;
use crate::base::page::{OrderField, Page, Window};
use crate::base::{Error, Map, Result};

/// More keys than any page of pages can ask for: a batch must not be cut, or the number of statements would grow with the parents.
const MAX_BATCH: usize = 100_000;

/// A batch function: the rows for many keys in a fixed number of statements.
pub trait Batch: Send + Sync + 'static {
    /// What a row is asked for by.
    type Key: Clone + Debug + Eq + Hash + Send + Sync + 'static;
    /// What is answered; cheap to clone.
    type Value: Clone + Send + Sync + 'static;

    /// Reads the values; a key without one is left out.
    fn load(reader: Reader, keys: Vec<Self::Key>) -> impl Future<Output = Result<Map<Self::Key, Self::Value>>> + Send;
}

/// A list that belongs to a parent: the parent, and the list's arguments, which all parents of one field share.
#[derive(Clone, PartialEq, Eq)]
pub struct ListKey<A> {
    /// The parent's id.
    pub parent: Uuid,
    /// Filter, window and whatever else the field takes.
    pub args: Same<A>,
}

impl<A> Hash for ListKey<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // In one number, since the crate hashes each key several times. Of an id of version 7 the last bits are random.
        let args = u64::try_from(self.args.address()).unwrap_or_default();
        state.write_u64(self.parent.as_u64_pair().1 ^ args.rotate_left(32));
    }
}

impl<A> Debug for ListKey<A> {
    /// In short: the crate writes a message for each key, whether or not it is needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
}

/// Rows with the parent that each belongs to, as a statement for many parents reads them.
pub type ByParent<R> = Vec<(Option<Uuid>, R)>;

impl<A: Eq + Hash> ListKey<A> {
    /// A page for each parent: one statement for all parents that share their arguments, and those of different arguments side by side.
    ///
    /// # Errors
    /// What a statement failed with.
    pub async fn pages<R, F, Fut, O>(keys: Vec<Self>, read: F, window: fn(&A) -> &Window<O>) -> Result<Map<Self, Page<Arc<R>>>>
    where
        F: Fn(Same<A>, Vec<Uuid>) -> Fut,
        Fut: Future<Output = Result<ByParent<R>>>,
        O: OrderField,
    {
        let read_one = |(args, parents): (Same<A>, Vec<Uuid>)| {
            let rows = read(args.clone(), parents.clone());
            async move { Ok::<_, Error>((args, parents, rows.await?)) }
        };
        let mut pages = Map::with_capacity_and_hasher(keys.len(), foldhash::fast::RandomState::default());
        for (args, parents, rows) in try_join_all(Self::grouped(keys).into_iter().map(read_one)).await? {
            let mut by_parent: Map<Uuid, Vec<Arc<R>>> = Map::default();
            for (parent, row) in rows {
                by_parent.entry(parent.unwrap_or_default()).or_default().push(Arc::new(row));
            }
            for parent in parents {
                let page = window(&args).page(by_parent.remove(&parent).unwrap_or_default());
                pages.insert(Self { parent, args: args.clone() }, page);
            }
        }
        Ok(pages)
    }

    /// A count for each parent, zero where there is nothing to count.
    ///
    /// # Errors
    /// What a statement failed with.
    pub async fn counts<F, Fut>(keys: Vec<Self>, read: F) -> Result<Map<Self, i64>>
    where
        F: Fn(Same<A>, Vec<Uuid>) -> Fut,
        Fut: Future<Output = Result<Vec<(Uuid, i64)>>>,
    {
        let read_one = |(args, parents): (Same<A>, Vec<Uuid>)| {
            let rows = read(args.clone(), parents.clone());
            async move { Ok::<_, Error>((args, parents, rows.await?)) }
        };
        let mut counts = Map::default();
        for (args, parents, rows) in try_join_all(Self::grouped(keys).into_iter().map(read_one)).await? {
            let found: Map<Uuid, i64> = rows.into_iter().collect();
            for parent in parents {
                let count = found.get(&parent).copied().unwrap_or_default();
                counts.insert(Self { parent, args: args.clone() }, count);
            }
        }
        Ok(counts)
    }

    fn grouped(keys: Vec<Self>) -> Map<Same<A>, Vec<Uuid>> {
        let mut groups: Map<Same<A>, Vec<Uuid>> = Map::default();
        for key in keys {
            groups.entry(key.args).or_default().push(key.parent);
        }
        groups
    }
}

type Answer<V> = std::result::Result<Option<V>, Arc<Error>>;
type Read<B> = Map<<B as Batch>::Key, Answer<<B as Batch>::Value>>;
type Cached<B> = Loader<<B as Batch>::Key, Answer<<B as Batch>::Value>, Runner<B>, Read<B>>;

struct Runner<B> {
    reader: Reader,
    batch: std::marker::PhantomData<fn() -> B>,
}

impl<B: Batch> BatchFn<B::Key, Answer<B::Value>> for Runner<B> {
    async fn load(&mut self, keys: &[B::Key]) -> HashMap<B::Key, Answer<B::Value>> {
        match B::load(self.reader.clone(), keys.to_vec()).await {
            Ok(mut found) => keys.iter().map(|key| (key.clone(), Ok(found.remove(key)))).collect(),
            Err(error) => {
                let shared = Arc::new(error);
                keys.iter().map(|key| (key.clone(), Err(Arc::clone(&shared)))).collect()
            }
        }
    }
}

type Answers<B> = Arc<std::result::Result<HashMap<<B as Batch>::Key, Answer<<B as Batch>::Value>>, String>>;
type Awaited<B> = Shared<oneshot::Receiver<Answers<B>>>;

/// The keys that wait for their batch, and the answers that all who asked for them wait for.
struct Gathering<B: Batch> {
    keys: Vec<B::Key>,
    answers: Awaited<B>,
}

/// Gathers keys before the crate's loader sees them.
///
/// The crate alone keeps its state behind an asynchronous lock, which hundreds of siblings take one after another: some would ask, and some be
/// answered, long after the first, and their batch would be cut into several. Here nobody waits in line, neither to ask nor to be answered.
struct Gatherer<B: Batch> {
    loader: Cached<B>,
    open: Mutex<Option<Gathering<B>>>,
}

impl<B: Batch> Gatherer<B> {
    fn new(reader: Reader) -> Self {
        let runner = Runner::<B> { reader, batch: std::marker::PhantomData };
        Self { loader: Loader::with_cache(runner, Map::default()).with_yield_count(0).with_max_batch_size(MAX_BATCH), open: Mutex::default() }
    }

    /// Adds a key to the batch that is being gathered, or begins one.
    fn ask(self: &Arc<Self>, key: B::Key, turns: &Turns) -> Awaited<B> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gathering) = &mut *open {
            gathering.keys.push(key);
            return gathering.answers.clone();
        }
        let (tell, told) = oneshot::channel();
        let answers = told.shared();
        *open = Some(Gathering { keys: vec![key], answers: answers.clone() });
        turns.when_quiet(Arc::clone(self).answer(tell).boxed());
        answers
    }

    /// Reads what was gathered. Whoever asks from now on begins another batch.
    async fn answer(self: Arc<Self>, tell: oneshot::Sender<Answers<B>>) {
        let gathered = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        let keys = gathered.map(|gathering| gathering.keys).unwrap_or_default();
        let answers = self.loader.try_load_many(keys).await.map_err(|error| error.to_string());
        // Nobody may be waiting any more.
        let _ = tell.send(Arc::new(answers));
    }
}

/// The loaders of one snapshot, made when they are first asked, and the arguments that their keys share.
pub struct Loaders {
    by_batch: Mutex<Map<TypeId, Arc<dyn Any + Send + Sync>>>,
    same: SameArguments,
    turns: Arc<Turns>,
}

impl Loaders {
    /// The loaders of a snapshot that the operation of these turns reads.
    #[must_use]
    pub fn new(turns: Arc<Turns>) -> Self {
        Self { by_batch: Mutex::default(), same: SameArguments::default(), turns }
    }

    /// The value for a key, read together with those of its siblings.
    ///
    /// # Errors
    /// What the batch function failed with.
    pub async fn load<B: Batch>(&self, reader: &Reader, key: B::Key) -> Result<Option<B::Value>> {
        let answers = self.of::<B>(reader)?.ask(key.clone(), &self.turns);
        self.turns.stir();
        let answers = answers.await.map_err(|_| Error::internal("a batch was given up"))?;
        self.turns.stir();
        let found = answers.as_ref().as_ref().map_err(Error::internal)?;
        let answer = found.get(&key).ok_or_else(|| Error::internal("a loader left a key without an answer"))?;
        answer.clone().map_err(|error| Error::clone(&error))
    }

    /// The arguments that many parents share.
    #[must_use]
    pub const fn same(&self) -> &SameArguments {
        &self.same
    }

    fn of<B: Batch>(&self, reader: &Reader) -> Result<Arc<Gatherer<B>>> {
        let mut by_batch = self.by_batch.lock().unwrap_or_else(PoisonError::into_inner);
        let gatherer = by_batch.entry(TypeId::of::<B>()).or_insert_with(|| Arc::new(Gatherer::<B>::new(reader.clone())));
        Arc::clone(gatherer).downcast::<Gatherer<B>>().ok().ok_or_else(|| Error::internal("a loader of another type under this key"))
    }
}
