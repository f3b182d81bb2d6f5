//! RabbitMQ, with a port mapper of Erlang of its own, since it would leave one behind.

use spur_runtime::probe::Protocol;

use super::world::{Place, RABBITMQ, command, is_ready, port};

pub(crate) async fn ready() {
    let (place, amqp, mapper_port, nodes_port) = (Place::new(), port(), port(), port());
    let mapper_number = mapper_port.get().to_string();
    let mut mapper = command("epmd");
    mapper.args(["-address", "127.0.0.1", "-port", &mapper_number]);
    let _mapper = place.start(mapper);
    let mut server = command(RABBITMQ);
    server
        .env("ERL_EPMD_PORT", &mapper_number)
        .env("RABBITMQ_NODENAME", "probe@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", amqp.get().to_string())
        .env("RABBITMQ_DIST_PORT", nodes_port.get().to_string())
        .env("RABBITMQ_MNESIA_BASE", place.path("data"))
        .env("RABBITMQ_LOG_BASE", place.path("logs"))
        .env("RABBITMQ_CONFIG_FILE", place.path("none"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", place.path("plugins"));
    let server = place.start(server);
    let mut client = command("amqp-declare-queue");
    client.args(["-u", &format!("amqp://guest:guest@127.0.0.1:{}", amqp.get()), "-q", "shop"]);
    let (_, answer) = is_ready(Protocol::Amqp, amqp.get(), &server, client).await;
    assert_eq!(answer, "shop\n");
}
