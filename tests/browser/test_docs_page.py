"""The page of all calls, under the policy that it is served with."""

from served import Served
from window import Window


def test_the_page_of_all_calls_works_and_runs_nothing_that_its_policy_forbids(
    shop: Served, shared_window: Window
) -> None:
    driver = shared_window.driver
    driver.get_log("browser")  # forget what came before
    driver.get(f"{shop.url}/docs")
    shared_window.find(".opblock-summary")
    assert "/v1/bookings" in str(driver.execute_script("return document.body.innerText"))
    assert [entry["message"] for entry in driver.get_log("browser")] == []
    driver.execute_script(
        "const script = document.createElement('script');"
        "script.textContent = 'window.broken = true';"
        "document.body.append(script)"
    )
    assert driver.execute_script("return window.broken") is None
    (complaint,) = [entry["message"] for entry in driver.get_log("browser")]
    assert "script-src" in complaint
