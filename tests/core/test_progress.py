from partflow.core.progress import say


def test_a_message_is_one_line_whatever_is_in_it(capfd):
    message = "events [bold]/[17] " + 30 * "of a long path/"

    say(message)

    assert capfd.readouterr().err == message + "\n"
