//! Rare things for the writer to do, each a closure over the open transaction: lessons, holds, tidying. What happens
//! thousands of times a second has a job of its own.

use tokio::sync::oneshot;

use crate::LedgerError;
use crate::batch::Batch;

/// Something to do inside a transaction, and somebody to tell when it is on disk.
pub(crate) trait Errand: Send {
    fn carry_out(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()>;

    /// After the commit, or with the error that kept it from happening.
    fn tell(self: Box<Self>, error: Option<LedgerError>);
}

struct Told<W, T> {
    work: W,
    made: Option<T>,
    reply: Option<oneshot::Sender<Result<T, LedgerError>>>,
}

impl<W, T> Errand for Told<W, T>
where
    W: FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn carry_out(&mut self, batch: &mut Batch<'_>) -> rusqlite::Result<()> {
        self.made = Some((self.work)(batch)?);
        Ok(())
    }

    fn tell(self: Box<Self>, error: Option<LedgerError>) {
        let Some(reply) = self.reply else { return };
        // A caller that stopped waiting is no error. Without a reply it hears that the writer is gone.
        match (error, self.made) {
            (Some(error), _) => drop(reply.send(Err(error))),
            (None, Some(made)) => drop(reply.send(Ok(made))),
            (None, None) => {}
        }
    }
}

/// An errand, with where its result can be waited for.
pub(crate) fn awaited<T: Send + 'static>(
    work: impl FnMut(&mut Batch<'_>) -> rusqlite::Result<T> + Send + 'static,
) -> (Box<dyn Errand>, oneshot::Receiver<Result<T, LedgerError>>) {
    let (reply, made) = oneshot::channel();
    (Box::new(Told { work, made: None, reply: Some(reply) }), made)
}

/// An errand that nobody waits for.
pub(crate) fn unattended(work: impl FnMut(&mut Batch<'_>) -> rusqlite::Result<()> + Send + 'static) -> Box<dyn Errand> {
    Box::new(Told { work, made: None, reply: None })
}
