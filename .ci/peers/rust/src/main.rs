//! The reads of Colophon, and a write under a key, as they are usually written in Rust: hyper,
//! tokio-postgres, serde_json. Reads share eight connections, on which tokio-postgres pipelines by
//! itself. A write has one of eight others to itself and executes Colophon's own statements, but in
//! six round trips: BEGIN, the claim of the key, what is known of it, the write, what follows from
//! that with the answer to keep, COMMIT.
//! Usage: peer DATABASE PORT STATEMENTS, a file of JSON: for each path's last segment a
//! {"slug", "key", "trips": [[{"sql", "parameters"}]]} of a write that was executed.
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Method, Request, Response, Server};
use serde_json::{json, Value};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_postgres::types::{private::BytesMut, to_sql_checked, Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

const COLUMNS: &str = "id::text, slug, type, title, coalesce(excerpt, derived_excerpt), body, \
  status, featured, featured_order, tags, cover_image_url, cover_image_alt, canonical_url, \
  meta_title, meta_description, reading_time, word_count, colophon.rfc3339(published_at), \
  colophon.rfc3339(created_at), colophon.rfc3339(updated_at), version";
const PUBLIC: &str = "status = 'published' and trashed_at is null and published_at <= now()";

struct Reader {
    client: Client,
    item: Statement,
    count: Statement,
    list: Statement,
}

struct Writer {
    client: Client,
    transactions: HashMap<String, Transaction>,
}

/// A write as it was executed once, and what of it is another's in the next.
struct Transaction {
    slug: String,
    key: String,
    trips: Vec<Vec<Step>>,
}

struct Step {
    statement: Statement,
    parameters: Vec<Option<String>>,
}

/// A parameter in the text format, whatever its type.
#[derive(Debug)]
struct Sent(Option<String>);

impl ToSql for Sent {
    fn to_sql(
        &self, _: &Type, out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(text) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

struct State {
    readers: Vec<Reader>,
    writers: Vec<Mutex<Writer>>,
    turn: AtomicUsize,
}

fn text(row: &Row, index: usize) -> Value {
    row.get::<_, Option<&str>>(index).map_or(Value::Null, Value::from)
}

fn post(row: &Row, with_body: bool) -> Value {
    let cover = match row.get::<_, Option<&str>>(10) {
        Some(url) => json!({"url": url, "alt": text(row, 11)}),
        None => Value::Null,
    };
    let mut post = json!({
        "id": text(row, 0), "slug": text(row, 1), "type": text(row, 2), "title": text(row, 3),
        "excerpt": text(row, 4), "status": text(row, 6), "featured": row.get::<_, bool>(7),
        "featured_order": row.get::<_, Option<i32>>(8), "tags": row.get::<_, Vec<&str>>(9),
        "cover_image": cover, "canonical_url": text(row, 12), "meta_title": text(row, 13),
        "meta_description": text(row, 14), "reading_time": row.get::<_, i32>(15),
        "word_count": row.get::<_, i32>(16), "published_at": text(row, 17),
        "created_at": text(row, 18), "updated_at": text(row, 19),
        "version": row.get::<_, i32>(20)});
    if with_body {
        post["body"] = text(row, 5);
    }
    post
}

fn answer(status: u16, value: Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("Content-Type", "application/json")
        .body(Body::from(value.to_string()))
        .unwrap()
}

async fn respond(state: Arc<State>, request: Request<Body>) -> Result<Response<Body>, tokio_postgres::Error> {
    let turn = state.turn.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    if request.method() == Method::POST {
        let key = request.headers()["idempotency-key"].to_str().unwrap().to_owned();
        let bytes = hyper::body::to_bytes(request.into_body()).await.unwrap();
        // On its own, as it would be dropped, and its transaction left open, with the connection of a
        // client that hangs up.
        return tokio::spawn(write(state, turn, path, key, bytes)).await.unwrap();
    }
    let reader = &state.readers[turn % state.readers.len()];
    if let Some(slug) = path.strip_prefix("/v1/posts/") {
        return Ok(match reader.client.query_opt(&reader.item, &[&slug]).await? {
            Some(row) => answer(200, post(&row, true)),
            None => answer(404, Value::Null),
        });
    }
    let query = request.uri().query().unwrap_or("");
    let tags = vec![query.strip_prefix("tag=").unwrap_or("")];
    let total: i64 = reader.client.query_one(&reader.count, &[&tags]).await?.get(0);
    let rows = reader.client.query(&reader.list, &[&tags]).await?;
    let list: Vec<Value> = rows.iter().map(|row| post(row, false)).collect();
    Ok(answer(200, json!({"data": list, "meta": {"total": total, "limit": 20}})))
}

/// One transaction of Colophon's, statement by statement, in six round trips.
async fn write(
    state: Arc<State>, turn: usize, path: String, key: String, bytes: hyper::body::Bytes,
) -> Result<Response<Body>, tokio_postgres::Error> {
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    let slug = value["slug"].as_str().unwrap();
    // What Colophon makes of the content before it asks the database.
    let body = value["body"].as_str().unwrap();
    std::hint::black_box(body.split_whitespace().count());
    std::hint::black_box(body.chars().take(199).chain(['…']).collect::<String>());
    let writer = state.writers[turn % state.writers.len()].lock().await;
    let client = &writer.client;
    let transaction = &writer.transactions[path.rsplit('/').next().unwrap()];
    // Two that count up the same tags may wait for each other in a circle.
    for _ in 0..10 {
        match execute(client, transaction, slug, &key).await {
            Ok(json) => {
                return Ok(Response::builder()
                    .status(201)
                    .header("Content-Type", "application/json")
                    .body(Body::from(json))
                    .unwrap())
            }
            Err(_) => client.batch_execute("rollback").await?,
        }
    }
    Ok(Response::builder().status(503).body(Body::empty()).unwrap())
}

async fn execute(
    client: &Client, transaction: &Transaction, slug: &str, key: &str,
) -> Result<Vec<u8>, tokio_postgres::Error> {
    let mut json = vec![];
    for trip in &transaction.trips {
        let calls = trip.iter().map(|step| {
            let values: Vec<Sent> = step.parameters.iter().map(|parameter| {
                Sent(parameter.as_ref().map(|text| match text {
                    text if *text == transaction.slug => slug.into(),
                    text if *text == transaction.key => key.into(),
                    text => text.clone(),
                }))
            }).collect();
            async move {
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as _).collect();
                client.query(&step.statement, &values).await
            }
        });
        for rows in futures_util::future::try_join_all(calls).await? {
            // The last has kept the answer and gives it back.
            if let Some(Ok(body)) = rows.first().map(|row| row.try_get::<_, &[u8]>("body")) {
                json = body.to_vec();
            }
        }
    }
    Ok(json)
}

async fn connect(database: &str, options: &str) -> Client {
    let mut config: Config = database.parse().unwrap();
    config.options(options);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(async move { connection.await.unwrap() });
    client
}

async fn prepare(client: &Client, write: &Value) -> Transaction {
    let text = |name: &str| write[name].as_str().unwrap().to_owned();
    let mut trips = vec![];
    for trip in write["trips"].as_array().unwrap() {
        let mut steps = vec![];
        for step in trip.as_array().unwrap() {
            let parameters = step["parameters"].as_array().unwrap().iter();
            steps.push(Step {
                statement: client.prepare(step["sql"].as_str().unwrap()).await.unwrap(),
                parameters: parameters.map(|p| p.as_str().map(str::to_owned)).collect(),
            });
        }
        trips.push(steps);
    }
    Transaction { slug: text("slug"), key: text("key"), trips }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mut state = State { readers: vec![], writers: vec![], turn: AtomicUsize::new(0) };
    for _ in 0..8 {
        let client = connect(&arguments[1], "").await;
        let prepare = |sql: String| {
            let client = &client;
            async move { client.prepare(&sql).await.unwrap() }
        };
        let item = prepare(format!(
            "select {COLUMNS} from colophon.posts where slug = $1 and {PUBLIC}")).await;
        let count = prepare(format!(
            "select count(*) from colophon.posts where tags && $1 and {PUBLIC}")).await;
        let list = prepare(format!(
            "select {COLUMNS} from colophon.posts where tags && $1 and {PUBLIC} \
             order by published_at desc, id desc limit 20")).await;
        state.readers.push(Reader { client, item, count, list });
    }
    let writes: Value = serde_json::from_str(&std::fs::read_to_string(&arguments[3]).unwrap()).unwrap();
    for _ in 0..8 {
        // As Colophon's own are set.
        let options = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off";
        let client = connect(&arguments[1], options).await;
        let mut transactions = HashMap::new();
        for (path, write) in writes.as_object().unwrap() {
            transactions.insert(path.clone(), prepare(&client, write).await);
        }
        state.writers.push(Mutex::new(Writer { client, transactions }));
    }
    let state = Arc::new(state);
    let make = make_service_fn(move |_| {
        let state = state.clone();
        async move {
            Ok::<_, Infallible>(service_fn(move |request| respond(state.clone(), request)))
        }
    });
    let address = format!("127.0.0.1:{}", arguments[2]).parse().unwrap();
    Server::bind(&address).tcp_nodelay(true).serve(make).await.unwrap();
}
